#include "daemon/root/root_core.h"

#include <criterion/criterion.h>

#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;

namespace {

struct Fixture {
  MemoryStore store;
  SeededRandom random{1};
  service::EventLog events{16};
  Instant now{5};
  service::Shell shell{{store, nullptr, random, [](const Endpoint&, auto) {}, [this] { return now; }},
                       {1, 1},
                       [](service::Report&) {}};
  RootCore core{{store, random, shell, events, {}, {}, {}, nullptr}, settings()};

  static RootSettings settings() {
    RootSettings out;
    out.name = "the root";
    out.endpoints = {"10.0.9.9:7402"};
    return out;
  }
};

NmmRecord sample() {
  NmmRecord out;
  out.nmm_id = 5;
  out.name = "north";
  out.asr_id = 6;
  out.serial = 3;
  out.hardware_value = {1};
  return out;
}

}  // namespace

Test(root_core, the_relationship_is_derived_from_the_root_s_own_secret) {
  Fixture f;
  cr_assert(f.core.derive(sample()).error().code == Errc::wrong_state, "there is none yet");
  cr_assert(f.core.secret.create());
  const auto asr = f.core.derive(sample());
  cr_assert(asr);
  cr_assert_eq(asr->description.generation, 3U);
  cr_assert_eq(asr->description.roster[0].node_id, f.core.secret.nmm_id());
  cr_assert_eq(asr->description.roster[0].endpoints[0], "10.0.9.9:7402");
  cr_assert_eq(asr->description.roster[1].node_id, 5U);
  const auto chains = protocol::derive_provisioning_chains(*f.core.secret.read(), sample().hardware_value,
                                                           f.core.secret.nmm_id(), 5, 3);
  cr_assert(asr->chains[2].seed == (*chains)[2].seed);
  NmmRecord other = sample();
  other.hardware_value = {2};
  cr_assert_not(f.core.derive(other)->chains[2].seed == (*chains)[2].seed);
}

Test(root_core, an_answer_names_the_error_and_brings_no_body_with_it) {
  Fixture f;
  protocol::RequestReceived request;
  request.asr_id = 6;
  request.request_id = 7;
  request.method = protocol::Method::report;
  f.core.respond(request, fail(Errc::stale_generation), {1, 2});
  f.core.respond(request, {}, {1, 2});
  request.expects_response = false;
  f.core.respond(request, {}, {});
  cr_assert_eq(f.core.outbox.size(), 2U);
  const auto& refused = std::get<protocol::SendResponse>(f.core.outbox[0].event);
  cr_assert(refused.status == protocol::ControlStatus::stale_generation);
  cr_assert(refused.body.empty());
  cr_assert_eq(std::get<protocol::SendResponse>(f.core.outbox[1].event).body.size(), 2U);
}

Test(root_core, a_secret_s_place_says_whose_and_which) {
  const store::SecretName name = secret_name(5, 2);
  cr_assert(name.kind == store::RecordKind::nmm);
  cr_assert_eq(name.id, 5U);
  cr_assert_str_eq(name.slot.c_str(), "prs-2");
}
