// Covers the decoders of all control bodies, read_policy, read_asr and AsrDescription::check. The first byte
// chooses the body. What is taken can be written, and what was written is taken again as the same.
#include <algorithm>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/detection_policy.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using namespace akm::protocol;
using akm::fuzz::require;

namespace {

template <typename T>
void take(BodyView bytes) {
  const auto one = T::decode(bytes);
  if (!one) return;
  const Body written = one->encode();
  const auto again = T::decode(written);
  require(again && *again == *one, "a body that was taken is written and taken again");
}

void take_install(BodyView bytes) {
  const auto one = InstallRequest::decode(bytes);
  if (!one) return;
  require(one->asr.description.check().has_value(), "an ASR that was taken is valid");
  require(check_policy(one->asr.description.policy).has_value(), "its policy is within its bounds");
  const auto written = one->encode();
  require(written.has_value(), "an install that was taken can be written");
  const auto again = InstallRequest::decode(written->reveal());
  require(again && again->asr.description.roster_hash() == one->asr.description.roster_hash(),
          "and taken again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kBodies{
      &take<ActivateRequest>, &take<ActivateResponse>,
      &take<Heartbeat>,       &take<SwitchRequest>,
      &take<RetireRequest>,   &take<BreachReport>,
      &take<BreachDecision>,  &take<PolicyUpdate>,
      &take<AttestRequest>,   &take<AttestResponse>,
      &take_install,          +[](BodyView bytes) { (void)decode_empty_body(bytes); },
      &take<DetectionPolicy>,
  };
  fuzz::Input input(data, size);
  const std::size_t which = input.below(kBodies.size());
  kBodies[which](input.rest());
  return 0;
}
