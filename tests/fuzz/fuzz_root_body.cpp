// Covers the decoders of the bodies between Root and NMM, and of the entries of a report. The first byte
// chooses the body. What is taken can be written, and what was written is taken again as the same.
#include <algorithm>

#include "daemon/protocol/configure_body.h"
#include "daemon/protocol/root_body.h"
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

/// With secrets: they are compared by what is written.
template <typename T>
void take_secret(BodyView bytes) {
  const auto one = T::decode(bytes);
  if (!one) return;
  require(!one->secrets.empty() && one->secrets.size() <= kRootSecrets, "within its bounds");
  const SecretBuffer written = one->encode();
  const auto again = T::decode(written.reveal());
  require(again && std::ranges::equal(again->encode().reveal(), written.reveal()), "and taken again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kBodies{
      &take<ReportRequest>,       &take<ReportResponse>,   &take<RecordsRequest>, &take<RecordsResponse>,
      &take<ReportedNode>,        &take<ReportedAsr>,      &take<FenceRequest>,   &take_secret<IssueRequest>,
      &take_secret<AdoptRequest>, &take<ConfigureRequest>,
  };
  fuzz::Input input(data, size);
  const std::size_t which = input.below(kBodies.size());
  kBodies[which](input.rest());
  return 0;
}
