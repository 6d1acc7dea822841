#pragma once
// What the kernel and udev say of devices: that one came, went or changed.
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/result.h"

struct udev;
struct udev_monitor;

namespace akm::watch {

struct DeviceEvent {
  std::string action;     // "add", "remove", "change"
  std::string subsystem;  // "usb"
  std::string type;       // "usb_interface"; may be empty
  std::string path;       // below /sys
  std::string interface;  // "8/6/80": class, subclass and protocol of a USB interface
  std::string product;    // "1d6b/2/618": vendor, product and version
};

class DeviceEvents {
 public:
  enum class Source : std::uint8_t { kernel, udev };
  struct Kind {
    const char* subsystem;
    const char* type;  // null: all
  };
  /// The kernel's events come at once and everywhere; udev's when its rules have run. io_failed.
  static Result<std::unique_ptr<DeviceEvents>> open(Source source, const std::vector<Kind>& kinds);
  ~DeviceEvents();
  DeviceEvents(const DeviceEvents&) = delete;
  DeviceEvents& operator=(const DeviceEvents&) = delete;

  [[nodiscard]] int fd() const;
  /// Hands over what is there, some at a time; the rest keeps the descriptor readable. True when there was
  /// any, or events were lost.
  bool drain(const std::function<void(const DeviceEvent&)>& each);

 private:
  DeviceEvents() = default;
  udev* udev_ = nullptr;
  udev_monitor* monitor_ = nullptr;
};

}  // namespace akm::watch
