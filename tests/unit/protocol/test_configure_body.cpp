#include "daemon/protocol/configure_body.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::protocol;

namespace {

ConfigureRequest sample() {
  ConfigureRequest out;
  out.more = true;
  out.part = 3;
  out.nodes = {{0xa1, "pump-7", {"192.0.2.1:7400"}}, {0xa2, "pump-8", {}}};
  out.policies = {{0xb1, {{"rekey_interval_s", "600"}, {"quorum", "majority"}}}, {0xb2, {}}};
  return out;
}

}  // namespace

Test(configure_body, comes_back_as_it_was) {
  const auto back = ConfigureRequest::decode(sample().encode());
  cr_assert(back.has_value());
  cr_assert(*back == sample());
  cr_assert(ConfigureRequest::decode(ConfigureRequest{}.encode())->empty());
}

Test(configure_body, what_is_not_whole_is_malformed) {
  const Body whole = sample().encode();
  for (std::size_t size = 0; size < whole.size(); ++size)
    cr_assert(!ConfigureRequest::decode(BodyView(whole).first(size)));
  ConfigureRequest without_id = sample();
  without_id.nodes[0].id = 0;
  cr_assert(!ConfigureRequest::decode(without_id.encode()));
  ConfigureRequest far = sample();
  far.part = kConfiguredParts;
  cr_assert(!ConfigureRequest::decode(far.encode()));
}

Test(configure_body, a_large_one_goes_in_parts_that_fit) {
  ConfigureRequest whole;
  for (std::uint64_t i = 1; i <= 3000; ++i)
    whole.nodes.push_back({i, "node-" + std::to_string(i), {"192.0.2.1:7400"}});
  for (std::uint64_t i = 1; i <= 300; ++i) whole.policies.push_back({i, {{"rekey_interval_s", "600"}}});
  const auto parts = in_parts(whole);
  cr_assert(parts && parts->size() > 3);
  ConfigureRequest together;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const ConfigureRequest& part = (*parts)[i];
    cr_assert_eq(part.part, i);
    cr_assert_eq(part.more, i + 1 < parts->size());
    const Body body = part.encode();
    cr_assert(body.size() <= std::size_t{60} * 1024);
    cr_assert(ConfigureRequest::decode(body).has_value());
    together.nodes.insert(together.nodes.end(), part.nodes.begin(), part.nodes.end());
    together.policies.insert(together.policies.end(), part.policies.begin(), part.policies.end());
  }
  cr_assert(together == whole);
  cr_assert_eq(in_parts({})->size(), 1U, "that there is nothing is said too");
  whole.nodes.resize(kConfiguredParts * kConfiguredNodes + 1, {1, "x", {}});
  cr_assert(!in_parts(whole));
}
