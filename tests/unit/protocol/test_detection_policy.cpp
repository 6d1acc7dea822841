#include "daemon/protocol/detection_policy.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::protocol;

namespace {

DetectionPolicy sample() {
  DetectionPolicy out;
  out.own = false;
  out.set = {{"policy.mode", std::string("observe")},
             {"hook.timeout_s", std::int64_t{7}},
             {"policy.standard_combinations", false},
             {"responses.key-access.on_critical", std::vector<std::string>{"report", "log"}}};
  out.tables = {
      {"allow", {{{"name", std::string("a")}, {"classes", std::vector<std::string>{"bpf-use"}}}, {}}}};
  out.maintenance_s = 600;
  out.why = "an update";
  return out;
}

}  // namespace

Test(detection_policy, reads_back_as_it_was_written) {
  for (const DetectionPolicy& one : {DetectionPolicy{}, sample()}) {
    const Body body = one.encode();
    const auto back = DetectionPolicy::decode(body);
    cr_assert(back.has_value(), "%s", back ? "" : back.error().message().c_str());
    cr_assert(*back == one);
    cr_assert(back->encode() == body, "one encoding");
  }
}

Test(detection_policy, every_part_is_needed_and_bounded) {
  const Body body = sample().encode();
  for (std::size_t size = 0; size < body.size(); ++size)
    cr_assert_not(DetectionPolicy::decode(BodyView(body).first(size)).has_value());
  DetectionPolicy large = sample();
  large.why = std::string(kEvidenceTextBytes + 1, 'x');
  cr_assert_not(DetectionPolicy::decode(large.encode()).has_value());
  large = sample();
  large.maintenance_s = kPolicyMaintenanceS + 1;
  cr_assert_not(DetectionPolicy::decode(large.encode()).has_value());
  large = sample();
  large.tables["allow"].resize(kPolicyTableRows + 1);
  cr_assert_not(DetectionPolicy::decode(large.encode()).has_value());
  large = sample();
  for (std::size_t i = 0; i <= kPolicySettings; ++i) large.set.emplace("x" + std::to_string(i), true);
  cr_assert_not(DetectionPolicy::decode(large.encode()).has_value());
  large = sample();
  large.own = true;
  cr_assert_not(DetectionPolicy::decode(large.encode()).has_value());
}
