#pragma once
// D25: network interfaces that take what is not for them (promiscuous mode), by whoever. The kernel answers
// under the lock of all its network configuration, which others may hold for long: asked aside.
#include <optional>

#include "daemon/watch/aside_watch.h"
#include "daemon/watch/netlink.h"

namespace akm::watch {

class Interfaces final : public Watch {
 public:
  explicit Interfaces(RunAside run_aside);
  [[nodiscard]] int fd() const override { return events_ ? events_->fd() : -1; }
  bool nudged() override { return events_->drain(); }
  void look(Instant now, const Tell& tell) override { aside_.look(now, tell); }
  [[nodiscard]] bool tells_later() const override { return true; }

 private:
  std::optional<Netlink> events_;
  AsideWatch aside_;
};

}  // namespace akm::watch
