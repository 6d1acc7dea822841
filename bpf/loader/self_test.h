#pragma once
// Proof by firing: a child provokes every probe once, harmlessly, and the records that come say which probes
// see.
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "bpf/include/akm_events.h"
#include "bpf/loader/probe_object.h"
#include "bpf/loader/probe_record.h"

namespace akm::bpf {

class SelfTest {
 public:
  /// `control` is what the map holds; it is written with the child's number and back again.
  SelfTest(const ProbeObject& object, const akm_control& control) : object_(object), control_(control) {}

  /// Runs the child and waits for its end (at most 5 s: an alarm ends it). probe_failed when there can be
  /// none.
  Status run();
  /// Called with each record that is marked as ours.
  void seen(const ProbeRecord& record);
  /// Whether the chosen variant of the group was seen, or cannot be provoked.
  [[nodiscard]] bool proven(Group group) const;

 private:
  const ProbeObject& object_;
  akm_control control_;
  std::set<std::pair<Group, std::string>> seen_;  // group and tier
};

}  // namespace akm::bpf
