// daemon/nmm/root_link.cpp: the NMM's side.
#include "daemon/nmm/root_link.h"

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
  static protocol::IssueRequest issue_of(protocol::NodeId nmm_id, std::uint32_t number) {
    protocol::IssueRequest out;
    out.nmm_id = nmm_id;
    out.secrets.resize(1);
    out.secrets[0].number = number;
    return out;
  }
};

}  // namespace

Test(root_link, a_bundle_of_another_kind_root_or_id_is_refused) {
  Fixture f;
  protocol::BundleContent unbound = f.content;
  unbound.unbound = true;
  cr_assert(f.nmm.join(unbound).error().code == Errc::refused_by_policy);
  cr_assert(f.nmm.join(f.content));
  protocol::BundleContent other = f.content;
  other.identity.nmm_id += 1;
  other.identity.serial += 1;
  cr_assert(f.nmm.join(other).error().code == Errc::already_provisioned);
  cr_assert(f.nmm.join(f.content).error().code == Errc::stale_generation);
}

Test(root_link, a_bundle_for_another_machine_is_refused_and_nothing_is_erased) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto held = f.nmm.store.records;
  const auto relationships = f.nmm.shell->engine().relationships();
  const auto other = f.net.replace(f.nmm.status().nmm_id, *f.net.nmms[1]);
  cr_assert(f.nmm.join(*other).error().code == Errc::hardware_mismatch);
  auto unnamed = *f.net.replace(f.nmm.status().nmm_id, f.nmm);
  unnamed.check.reset();
  cr_assert(f.nmm.join(unnamed).error().code == Errc::hardware_mismatch);
  cr_assert(f.nmm.store.records == held);
  cr_assert(f.nmm.shell->engine().relationships() == relationships);
  cr_assert_eq(f.nmm.nmm->nodes().size(), 2U);
}

Test(root_link, the_next_serial_of_the_same_root_takes_its_place) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  const auto next = f.net.prepare(f.nmm);
  cr_assert_eq(next->identity.serial, 2U);
  cr_assert(f.nmm.join(*next));
  f.net.run(5s);
  cr_assert_eq(f.nmm.status().root_state, "reached");
  cr_assert_eq(f.net.root->nmms()[0].state, "active");
}

Test(root_link, an_nmm_s_own_secret_is_not_replaced_before_the_root_has_it) {
  Fixture f;
  f.nmm.nmm->create_root_secret([](const Status&) {});
  const auto own = f.nmm.store.records.at("nmm-root");
  ControlPort::Prepare what;
  what.nmm_name = "own";
  what.hardware_value = f.nmm.hardware_value();
  what.nmm_id = f.nmm.status().nmm_id;
  f.net.root->issuer().prepare(what, "test",
                               [&](Result<protocol::BundleContent> c) { cr_assert(f.nmm.join(*c)); });
  f.net.database_down = true;  // the Root cannot adopt
  f.net.run(1ms);
  f.net.run(10s);
  f.say(protocol::Method::issue, Fixture::issue_of(what.nmm_id, 2).encode());
  cr_assert(f.nmm.store.records.at("nmm-root") == own);
}

Test(root_link, an_older_issue_and_one_that_came_late_change_nothing) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  const auto nmm_id = f.nmm.status().nmm_id;
  f.say(protocol::Method::issue, Fixture::issue_of(nmm_id, 5).encode());
  const auto held = f.nmm.store.records.at("nmm-root");
  f.say(protocol::Method::issue, Fixture::issue_of(nmm_id, 4).encode());
  f.say(protocol::Method::issue, Fixture::issue_of(nmm_id, 6).encode(), true);
  f.say(protocol::Method::issue, Fixture::issue_of(nmm_id + 1, 7).encode());
  cr_assert(f.nmm.store.records.at("nmm-root") == held);
}

Test(root_link, no_secret_that_a_node_hangs_on_is_taken_away) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto held = f.nmm.store.records.at("nmm-root");
  f.say(protocol::Method::issue, Fixture::issue_of(f.nmm.status().nmm_id, 2).encode());
  cr_assert(f.nmm.store.records.at("nmm-root") == held);
}

Test(root_link, a_new_secret_moves_every_node_to_its_next_serial) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  const auto nmm_id = f.nmm.status().nmm_id;
  protocol::IssueRequest both = Fixture::issue_of(nmm_id, 1);
  const auto first = f.net.database->secret(secret_name(nmm_id, 1));
  both.secrets[0].secret = protocol::ProvisioningRoot::copy_of(first->reveal().first<64>());
  both.secrets.emplace_back().number = 2;
  f.say(protocol::Method::issue, both.encode());
  for (int i = 0; i < 4; ++i) {
    f.net.heartbeats();
    f.net.run(2s);
  }
  cr_assert_eq(f.nmm.serial_of("n0"), 2U);
  cr_assert_eq(f.nmm.serial_of("n1"), 2U);
  f.net.run(60s);
  cr_assert_eq(f.nmm.store.records.at("nmm-root").size(), 9U + 68U, "the former one is gone");
}

Test(root_link, a_full_disk_at_joining_leaves_it_standing_alone) {
  Fixture f;
  f.nmm.store.failing = true;
  cr_assert_not(f.nmm.join(f.content).has_value());
  f.nmm.store.failing = false;
  f.nmm.restart();
  cr_assert_eq(f.nmm.status().root_state, "standalone");
  cr_assert(f.nmm.join(f.content));
  f.net.run(5s);
  cr_assert_eq(f.nmm.status().root_state, "reached");
}

Test(root_link, a_full_disk_at_replacing_loses_nothing_of_the_old_state) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  f.net.run(2s);
  const auto content = f.net.replace(f.nmm.status().nmm_id, f.nmm);
  const auto held = f.nmm.store.records;
  const auto relationships = f.nmm.shell->engine().relationships();
  f.nmm.store.failing_names = "node";  // the record of whose this machine is
  cr_assert_not(f.nmm.join(*content).has_value());
  f.nmm.store.failing_names.reset();
  cr_assert(f.nmm.shell->engine().relationships() == relationships);
  f.nmm.restart();
  cr_assert(f.nmm.shell->engine().relationships() == relationships);
  cr_assert_eq(f.nmm.nmm->nodes().size(), 2U);
  cr_assert(f.nmm.store.records.at("nmm-root") == held.at("nmm-root"));
  cr_assert(f.nmm.store.records.at("node") == held.at("node"));
  cr_assert(f.nmm.join(*content), "its bundle is not used");
  f.net.run(30s);
  cr_assert_eq(f.nmm.status().root_state, "reached");
  cr_assert_eq(f.nmm.nmm->nodes().size(), 2U);
}

Test(root_link, what_is_from_before_is_gone_before_it_goes_on_also_after_a_crash) {
  Fixture f;
  cr_assert(f.nmm.join(f.content));
  f.net.run(2s);
  f.net.activate_all(f.nmm);
  f.net.run(2s);
  const auto nmm_id = f.nmm.status().nmm_id;
  const auto held = f.nmm.store.records;
  f.net.root_down = true;
  const auto content = f.net.replace(nmm_id, f.nmm);
  cr_assert(f.nmm.join(*content));
  // The power went when the record was written, and nothing was erased.
  for (const auto& [name, record] : held) {
    if (name == "nmm-root" || name.starts_with("nmm-node-")) f.nmm.store.records[name] = record;
  }
  nmm::RootRecords records(f.nmm.store);
  nmm::RootRecord cut = **records.load();
  cut.forget_for = content->identity.asr_id;
  cr_assert(records.save_progress(cut));
  f.nmm.store.failing_names = "nmm-root";
  f.nmm.restart();
  f.net.run(5s);
  std::optional<Status> done;
  f.nmm.nmm->rekey(1, nmm::test::into(done));
  cr_assert(done->error().code == Errc::busy);
  f.nmm.store.failing_names.reset();
  f.net.run(30s);
  cr_assert_eq(f.nmm.store.records.at("nmm-root").size(), 9U);
  cr_assert(f.nmm.nmm->nodes().empty());
  f.net.root_down = false;
  f.net.run(150s);
  cr_assert_eq(f.nmm.status().root_state, "reached");
  cr_assert_eq(f.nmm.nmm->nodes().size(), 2U);
}

Test(root_link, a_secret_that_cannot_be_read_is_handed_up_later) {
  RootNet net(1, 0);
  NmmMachine& nmm = *net.nmms[0];
  nmm.nmm->create_root_secret([](const Status&) {});
  const auto nmm_id = nmm.status().nmm_id;
  cr_assert(nmm.join(*net.prepare(nmm, nmm_id)));
  auto hidden = nmm.store.records.extract("nmm-root");
  cr_assert(hidden);
  net.run(10s);
  cr_assert_null(net.event("nmm-adopted"));
  cr_assert(nmm.shell->engine().view(nmm.nmm->root_link().asr_id()), "the Root is reached");
  nmm.store.records.insert(std::move(hidden));
  net.run(130s);
  cr_assert_not_null(net.event("nmm-adopted"));
  cr_assert(net.database->secret(secret_name(nmm_id, 1)));
}
