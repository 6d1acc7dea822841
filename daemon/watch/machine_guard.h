#pragma once
// What a daemon that holds no session keys of its own does about a detection on its machine: it decides by
// the same policy, and says so in journal, history and signal. An operator acts.
#include <functional>

#include "daemon/policy/decision.h"
#include "daemon/service/event_log.h"

namespace akm::watch {

class MachineGuard {
 public:
  MachineGuard(policy::NodePolicy policy, service::EventLog& events, std::function<Instant()> now)
      : responder_(std::move(policy)), events_(events), now_(std::move(now)) {}
  void judge(const policy::Detection& detection);

 private:
  void say(const policy::Detection& detection, const policy::Decision& decision);

  policy::Responder responder_;
  service::EventLog& events_;
  std::function<Instant()> now_;
};

}  // namespace akm::watch
