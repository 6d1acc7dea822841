#pragma once
// D25: network interfaces that take what is not for them (promiscuous mode), by whoever.
#include <optional>

#include "daemon/watch/baseline.h"
#include "daemon/watch/netlink.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class Interfaces final : public Watch {
 public:
  Interfaces();
  [[nodiscard]] int fd() const override { return events_ ? events_->fd() : -1; }
  bool nudged() override { return events_->drain(); }
  void look(Instant now, const Tell& tell) override;

 private:
  std::optional<Netlink> events_;
  Baseline baseline_;
};

}  // namespace akm::watch
