// daemon/nmm/root_fence.cpp: what a machine erases that has lost its place.
#include <criterion/criterion.h>

#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  RootNet net{2, 2};
  NmmMachine& nmm = *net.nmms[0];
  protocol::BundleContent content = *net.prepare(nmm);

  /// As if the Root had said it; a one-way message: what counts is what it changes.
  void say(protocol::Method method, SecretBuffer body, bool overtaken = false) {
    protocol::RequestReceived request;
    request.asr_id = nmm.nmm->root_link().asr_id();
    request.request_id = 1;
    request.method = method;
    request.expects_response = false;
    request.body = std::move(body);
    request.overtaken = overtaken;
    service::Report report = std::move(request);
    nmm.nmm->report(report);
  }
};

}  // namespace

Test(root_fence, a_fence_erases_what_counts_and_outlives_a_restart) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto body = protocol::FenceRequest{2}.encode();
  f.say(protocol::Method::fence, SecretBuffer::copy_of(body));
  cr_assert_eq(f.nmm.status().state, "fenced");
  cr_assert_eq(f.nmm.store.records.at("nmm-root").size(), 9U);
  cr_assert_null(f.nmm.shell->engine().view(f.net.nodes[0]->provisioning) ? &f : nullptr);
  f.nmm.restart();
  cr_assert_eq(f.nmm.status().state, "fenced");
  std::optional<Status> done;
  f.nmm.nmm->create_root_secret(nmm::test::into(done));
  cr_assert_not(done->has_value(), "it cannot begin anew under the same name");
}

Test(root_fence, a_fenced_machine_gets_the_place_back_with_the_newest_records, .timeout = 250) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  f.net.run(2s);
  const auto nmm_id = f.nmm.status().nmm_id;
  f.nmm.down = true;
  NmmMachine& second = *f.net.nmms[1];
  cr_assert(second.join(*f.net.replace(nmm_id, second)));
  f.net.run(120s);
  for (int i = 0; i < 4; ++i) {
    f.net.heartbeats();
    f.net.run(2s);
  }
  cr_assert_eq(second.serial_of("n0"), 2U);
  f.nmm.down = false;
  f.net.run(60s);
  cr_assert_eq(f.nmm.status().state, "fenced");
  second.down = true;
  cr_assert(f.nmm.join(*f.net.replace(nmm_id, f.nmm)));
  f.net.run(130s);
  for (int i = 0; i < 4; ++i) {
    f.net.heartbeats();
    f.net.run(2s);
  }
  cr_assert_eq(f.nmm.status().state, "ready");
  cr_assert_eq(f.nmm.serial_of("n0"), 3U);
  cr_assert_eq(f.nmm.state_of("n1"), "active");
}

Test(root_fence, a_fence_that_was_cut_short_is_finished_after_a_restart) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto secrets = f.nmm.store.records.at("nmm-root");
  const auto body = protocol::FenceRequest{2}.encode();
  f.say(protocol::Method::fence, SecretBuffer::copy_of(body));
  f.nmm.store.records["nmm-root"] = secrets;  // the power went before it was erased
  f.nmm.store.failing_names = "nmm-root";
  f.nmm.restart();
  f.net.run(3s);
  cr_assert(f.nmm.store.records.at("nmm-root") == secrets);
  f.nmm.store.failing_names.reset();
  f.net.run(10s);
  cr_assert_eq(f.nmm.store.records.at("nmm-root").size(), 9U, "tried again");
  f.nmm.store.records["nmm-root"] = secrets;
  f.nmm.restart();
  cr_assert_eq(f.nmm.store.records.at("nmm-root").size(), 9U, "at once");
  cr_assert_eq(f.nmm.status().state, "fenced");
  cr_assert_eq(f.nmm.shell->engine().relationships().size(), 1U, "only that with the Root");
}

Test(root_fence, a_fenced_machine_prepares_nothing_and_changes_nothing) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto body = protocol::FenceRequest{2}.encode();
  f.say(protocol::Method::fence, SecretBuffer::copy_of(body));
  std::optional<Status> golden;
  f.nmm.nmm->set_golden_pcrs(f.net.nodes[0]->node_id, {}, nmm::test::into(golden));
  cr_assert(golden->error().code == Errc::wrong_state);
  std::optional<Errc> token;
  f.nmm.nmm->prepare_token({}, "pkcs11:token=none", {}, [&](const auto& got) { token = got.error().code; });
  cr_assert(token == Errc::wrong_state);
  std::optional<Errc> tpm;
  f.nmm.nmm->prepare_for_tpm({}, [&](const auto& got) { tpm = got.error().code; });
  cr_assert(tpm == Errc::wrong_state);
}
