#include "daemon/root/issuer.h"

#include <criterion/criterion.h>

#include "tests/unit/root/root_net.h"

using namespace akm;
using namespace akm::root;
using namespace akm::root::test;

namespace {

ControlPort::Prepare what(RootNet& net, std::string name = "north") {
  ControlPort::Prepare out;
  out.nmm_name = std::move(name);
  out.hardware_value = net.nmms[0]->hardware_value();
  out.nmm_endpoints = {"10.0.0.1:7400"};
  return out;
}

std::optional<Result<protocol::BundleContent>> prepare(RootNet& net, const ControlPort::Prepare& asked) {
  std::optional<Result<protocol::BundleContent>> out;
  net.root->issuer().prepare(asked, "test", [&](Result<protocol::BundleContent> c) { out = std::move(c); });
  net.run(std::chrono::milliseconds(1));
  return out;
}

}  // namespace

Test(issuer, an_nmm_has_a_record_here_and_in_the_configuration_and_a_secret) {
  RootNet net(1, 0);
  const auto first = prepare(net, what(net));
  cr_assert(first && first->has_value());
  const auto nmm_id = (*first)->identity.node_id;
  cr_assert_eq((*first)->identity.nmm_id, net.root->status().root_id);
  const auto record = net.database->get(store::RecordKind::nmm, nmm_id);
  cr_assert(record);
  cr_assert_eq(record->fields.at("name"), "north");
  cr_assert_eq(record->fields.at("endpoints"), "10.0.0.1:7400");
  cr_assert_eq(net.database->secret(secret_name(nmm_id, 1))->size(), 64U);

  const auto second = prepare(net, what(net));
  cr_assert_eq((*second)->identity.node_id, nmm_id, "the same name is the same NMM");
  cr_assert_eq((*second)->identity.serial, 2U);
  cr_assert_eq((*second)->identity.asr_id, (*first)->identity.asr_id);
  cr_assert_not((*second)->use_id == (*first)->use_id);
  cr_assert_eq(net.root->book().find(nmm_id)->secrets.size(), 1U);
}

Test(issuer, what_the_operator_wrote_stays_in_the_record) {
  RootNet net(1, 0);
  const auto first = prepare(net, what(net));
  const auto nmm_id = (*first)->identity.node_id;
  store::Edit edit{.kind = store::RecordKind::nmm,
                   .id = nmm_id,
                   .after = store::Fields{{"site", "B"}, {"serial", "1"}, {"state", "prepared"}},
                   .expected_revision = {}};
  cr_assert(net.database->apply({&edit, 1}, "operator"));
  cr_assert(prepare(net, what(net))->has_value());
  const store::Fields expected{{"name", "north"}, {"endpoints", "10.0.0.1:7400"}, {"site", "B"}};
  cr_assert(net.database->get(store::RecordKind::nmm, nmm_id)->fields == expected,
            "and no serial and state, which would be of that moment");
}

Test(issuer, what_cannot_be_is_refused_and_leaves_nothing) {
  RootNet net(1, 0);
  auto asked = what(net, "../etc");
  cr_assert_not((*prepare(net, asked)).has_value());
  asked = what(net);
  asked.hardware_value.clear();
  cr_assert(prepare(net, asked)->error().code == Errc::refused_by_policy);
  asked = what(net);
  asked.nmm_endpoints = {"nowhere"};
  cr_assert_not(prepare(net, asked)->has_value());
  asked = what(net);
  asked.nmm_id = net.root->status().root_id;
  cr_assert_not(prepare(net, asked)->has_value());
  net.database_down = true;
  cr_assert(prepare(net, what(net))->error().code == Errc::unreachable);
  cr_assert(net.root->book().all().empty());
  net.database_down = false;
  net.store.failing = true;
  cr_assert_not(prepare(net, what(net))->has_value());
  cr_assert(net.root->book().all().empty());
}

Test(issuer, one_that_is_adopted_keeps_its_id_and_cannot_be_replaced_before_it_is) {
  RootNet net(1, 0);
  auto asked = what(net);
  asked.nmm_id = 0x1234;
  const auto content = prepare(net, asked);
  cr_assert_eq((*content)->identity.node_id, 0x1234U);
  cr_assert(net.root->book().find(0x1234)->secrets.empty());
  cr_assert(net.replace(0x1234, *net.nmms[0]).error().code == Errc::wrong_state);
  asked.nmm_id = 0;
  const auto again = prepare(net, asked);
  cr_assert_eq((*again)->identity.node_id, 0x1234U);
  cr_assert_eq((*again)->identity.serial, 2U);
  cr_assert(net.root->book().find(0x1234)->secrets.empty(), "its nodes hang on the secret that it has");
  cr_assert_not(net.database->secret(secret_name(0x1234, 1)).has_value());
}

Test(issuer, one_change_of_an_nmm_at_a_time) {
  RootNet net(1, 0);
  std::vector<Result<protocol::BundleContent>> out;
  const auto ask = [&](const ControlPort::Prepare& asked) {
    net.root->issuer().prepare(asked, "test",
                               [&](Result<protocol::BundleContent> c) { out.push_back(std::move(c)); });
  };
  ask(what(net));
  ask(what(net));
  ask(what(net, "south"));
  net.run(std::chrono::milliseconds(1));
  cr_assert_eq(out.size(), 3U);
  cr_assert_eq(out[0].error().code, Errc::busy, "the same name, though it has no id yet");
  cr_assert(out[1] && out[2], "another NMM's change does not wait");
  const auto nmm_id = out[1]->identity.node_id;
  ask(what(net));
  net.root->issuer().replace(nmm_id, net.nmms[0]->hardware_value(), "test",
                             [&](Result<protocol::BundleContent> c) { out.push_back(std::move(c)); });
  cr_assert_eq(out.back().error().code, Errc::busy);
  net.run(std::chrono::milliseconds(1));
  cr_assert_eq(out.back()->identity.serial, 2U);
  net.database_down = true;
  cr_assert(prepare(net, what(net))->error().code == Errc::unreachable);
  net.database_down = false;
  cr_assert(prepare(net, what(net))->has_value(), "a failure ends the change too");
}

// The policy changes while the database has the next serial's record.
Test(issuer, what_happens_while_the_database_works_is_not_undone) {
  RootNet net(1, 0);
  const auto first = prepare(net, what(net));
  const auto nmm_id = (*first)->identity.node_id;
  cr_assert(net.nmms[0]->join(**first));
  net.run(std::chrono::seconds(3));
  cr_assert(net.root->book().find(nmm_id)->state == NmmState::active);
  net.root_down = true;  // nothing is answered
  std::optional<Result<protocol::BundleContent>> out;
  net.root->issuer().prepare(what(net), "test",
                             [&](Result<protocol::BundleContent> c) { out = std::move(c); });
  cr_assert_not(out.has_value());
  net.root->policy_changed();
  cr_assert(net.root->book().find(nmm_id)->policy_pending);
  net.run(std::chrono::milliseconds(1));
  cr_assert_eq((*out)->identity.serial, 2U);
  const NmmRecord& record = *net.root->book().find(nmm_id);
  cr_assert_eq(record.serial, 2U);
  cr_assert(record.policy_pending, "the change is still to be told");
  cr_assert(record.state == NmmState::active);
}

Test(issuer, a_replacement_has_another_relationship_one_more_secret_and_a_floor) {
  RootNet net(1, 0);
  const auto first = prepare(net, what(net));
  const auto nmm_id = (*first)->identity.node_id;
  for (std::uint32_t i = 2; i <= 4; ++i) {
    const auto next = net.replace(nmm_id, *net.nmms[0]);
    cr_assert(next);
    cr_assert_eq(next->identity.node_id, nmm_id);
    cr_assert_eq(next->identity.serial, i);
    cr_assert_neq(next->identity.asr_id, (*first)->identity.asr_id);
    const NmmRecord& record = *net.root->book().find(nmm_id);
    cr_assert_eq(record.secrets.size(), i);
    cr_assert_eq(record.incarnation_floor, (i - 1) * kIncarnationLeap);
    cr_assert_eq(record.fenced.size(), i - 1);
  }
  cr_assert(net.replace(nmm_id, *net.nmms[0]).error().code == Errc::limit_exceeded,
            "nodes may still hang on each of four secrets");
}

Test(issuer, a_file_opens_with_its_code) {
  RootNet net(1, 0);
  akm::test::TemporaryFolder drive;
  std::optional<Result<ControlPort::Prepared>> out;
  net.root->prepare_nmm(what(net), drive.path(), "test",
                        [&](Result<ControlPort::Prepared> prepared) { out = std::move(prepared); });
  net.run(std::chrono::milliseconds(1));
  cr_assert(out && out->has_value());
  cr_assert_eq((*out)->path, drive.file("north.akmbundle"));
  std::optional<Status> joined;
  net.nmms[0]->nmm->provision_from_file((*out)->path, std::move((*out)->code), nmm::test::into(joined));
  cr_assert(joined && joined->has_value());
  net.run(std::chrono::seconds(3));
  cr_assert_eq(net.nmms[0]->status().root_state, "reached");
  cr_assert_not(std::filesystem::exists((*out)->path), "the bundle is used up");
}
