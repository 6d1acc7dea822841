#include "daemon/watch/machine_guard.h"

#include <algorithm>

#include "daemon/base/message_ids.h"
#include "daemon/policy/grading.h"

namespace akm::watch {

void MachineGuard::judge(const policy::Detection& detection) {
  for (const policy::Judged& one : responder_.judge(detection, now_())) say(one.detection, one.decision);
}

void MachineGuard::say(const policy::Detection& detection, const policy::Decision& decision) {
  if (decision.actions.empty()) return;
  EventRecord record;
  record.name = "machine-" + std::string(policy::grade_name(decision.grade));
  record.severity = policy::severity_of_grade(decision.grade);
  record.boottime_ns = detection.boottime_ns;
  record.fields = detection.evidence;
  record.fields.insert(detection.subject.begin(), detection.subject.end());
  record.fields.emplace("class", policy::detection_name(detection.detection));
  record.fields.emplace("grade", policy::grade_name(decision.grade));
  record.fields.emplace("reason", decision.reason);
  const bool critical = decision.grade == policy::Grade::critical;
  const bool signal = std::ranges::find(decision.actions, policy::Response::signal) != decision.actions.end();
  events_.add(std::move(record), critical ? message_id::kBreachDetected : message_id::kDetected,
              critical ? "A breach was detected on this machine" : "Something was detected on this machine",
              signal);
}

}  // namespace akm::watch
