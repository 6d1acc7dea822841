#pragma once
// D21: USB storage and input devices that are plugged in while the daemon runs.
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "daemon/watch/device_events.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class UsbDevices final : public Watch {
 public:
  /// `events` of USB interfaces, or null. `expected`: the machine is being provisioned, where a drive is what
  /// everybody waits for.
  UsbDevices(std::unique_ptr<DeviceEvents> events, std::function<bool()> expected)
      : events_(std::move(events)), expected_(std::move(expected)) {}

  [[nodiscard]] int fd() const override { return events_ ? events_->fd() : -1; }
  bool nudged() override;
  void look(Instant now, const Tell& tell) override;
  /// One event: what nudged() takes from the descriptor.
  void take(const DeviceEvent& event);

 private:
  std::unique_ptr<DeviceEvents> events_;
  std::function<bool()> expected_;
  std::set<std::string> plugged_;  // paths that were told
  std::vector<DeviceEvent> waiting_;
};

}  // namespace akm::watch
