#include "daemon/nmm/restoration.h"

#include <criterion/criterion.h>

#include "daemon/nmm/incarnation_base.h"
#include "tests/unit/nmm/backup_bench.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::seconds;

TestSuite(restoration, .init = quiet);

namespace {

bool has_finding(const NmmNet& net, std::string_view words) {
  return std::ranges::any_of(net.nmm->status().findings,
                             [&](const std::string& one) { return one.contains(words); });
}

std::uint32_t serial_of(const NmmNet& net, const std::string& name) {
  const auto nodes = net.nmm->nodes();
  const auto at = std::ranges::find(nodes, name, &NodeSnapshot::name);
  return at == nodes.end() ? 0 : at->serial;
}

/// The states of a disk between one writing and the next.
class Photographer final : public store::SealedStore {
 public:
  Result<SecretBuffer> read(std::string_view name) override { return below_.read(name); }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    AKM_TRY(below_.write(name, record));
    photos.push_back(below_.records);
    return {};
  }
  Status remove(std::string_view name) override {
    AKM_TRY(below_.remove(name));
    photos.push_back(below_.records);
    return {};
  }
  Result<std::vector<std::string>> list() override { return below_.list(); }
  std::vector<decltype(MemoryStore::records)> photos;

 private:
  MemoryStore below_;
};

/// A disk that takes everything and gives nothing away.
class Keeper final : public store::SealedStore {
 public:
  Result<SecretBuffer> read(std::string_view name) override { return below_.read(name); }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    return below_.write(name, record);
  }
  Status remove(std::string_view name) override { return fail(Errc::read_only, std::string(name)); }
  Result<std::vector<std::string>> list() override { return below_.list(); }

 private:
  MemoryStore below_;
};

}  // namespace

Test(restoration, reaches_the_nodes_and_gives_nothing_to_one_that_was_put_out_since) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  const BackupContent content = content_of(net);
  net.nmm->remove_member(asr, net.nodes[2]->node_id, [](const Status&) {});
  net.run(seconds(5));
  cr_assert(net.agreed(asr, 2, {0, 1}));
  cr_assert_eq(net.nodes[2]->generation(asr), 0U);

  cr_assert(restore_elsewhere(net, content));
  cr_assert_eq(net.nmm->status().nmm_id, content.issue.nmm_id);
  net.nodes[2]->heartbeat();  // the first that is heard is the one that was put out
  live(net, 600);
  for (const auto& node : net.nodes) {
    cr_assert_eq(net.state_of(node->name), "active", "%s", node->name.c_str());
    cr_assert_eq(serial_of(net, node->name), 2U, "%s", node->name.c_str());
    cr_assert_eq(node->view(node->provisioning)->description.generation, 2U);
  }
  cr_assert_eq(net.nodes[2]->generation(asr), 0U, "it has keys again");
  cr_assert(net.agreed(asr, 2, {0, 1}), "the others go on");
  cr_assert(has_finding(net, "akmctl asr confirm"));
  cr_assert_eq(net.nmm->asrs().at(0).phase, "unconfirmed");

  std::optional<Status> refused;
  net.nmm->rekey(asr, into(refused));
  cr_assert(refused->error().code == Errc::wrong_state);
  net.nmm->remove_member(asr, net.nodes[2]->node_id, [](const Status&) {});
  live(net, 20);
  cr_assert(net.agreed(asr, 2, {0, 1}), "putting somebody out is no word for the rest");
  std::optional<Status> confirmed;
  net.nmm->confirm_asr(asr, into(confirmed));
  live(net, 20);
  cr_assert(confirmed && *confirmed, "%s", confirmed ? confirmed->error().message().c_str() : "no answer");
  cr_assert(net.agreed(asr, 3, {0, 1}), "above what they had");
  cr_assert_eq(net.nodes[2]->generation(asr), 0U);
  cr_assert_not(has_finding(net, "akmctl asr confirm"));
  std::optional<Status> twice;
  net.nmm->confirm_asr(asr, into(twice));
  cr_assert(twice->error().code == Errc::wrong_state);
}

Test(restoration, a_relationship_that_nothing_happened_to_is_confirmed_by_all_its_members) {
  NmmNet net(3);
  net.activate_all();
  const auto asr = net.create(3);
  cr_assert(restore_elsewhere(net, content_of(net)));
  net.nodes[2]->down = true;
  live(net, 600);
  cr_assert_eq(net.nmm->asrs().at(0).phase, "unconfirmed", "two of three are not all");
  net.nodes[2]->down = false;
  live(net, 600);
  cr_assert_eq(net.nmm->asrs().at(0).phase, "complete");
  cr_assert_not_null(net.event("relationship-confirmed"));
  net.nmm->rekey(asr, [](const Status&) {});
  net.run(seconds(5));
  cr_assert(net.agreed(asr, 2, {0, 1, 2}));
}

Test(restoration, former_secrets_go_when_no_node_hangs_on_them) {
  NmmNet net(1);
  net.activate_all();
  const BackupContent content = content_of(net);
  cr_assert(restore_elsewhere(net, content));
  SeededRandom random(5);
  RootSecret root(net.store, random);
  cr_assert(root.load());
  cr_assert_eq(root.numbers().size(), 2U);
  live(net, 600);
  cr_assert(root.load());
  cr_assert(root.numbers() == std::set<std::uint32_t>{2});
}

/// It is told to leave, its keys are left in nobody's new generation, and nobody gets one either.
Test(restoration, a_breach_in_an_unconfirmed_relationship_costs_the_node_its_place_and_issues_nothing) {
  NmmNet net(4);
  net.activate_all();
  const auto asr = net.create(4);
  const BackupContent content = content_of(net);
  net.nmm->remove_member(asr, net.nodes[3]->node_id, [](const Status&) {});
  net.run(seconds(5));
  cr_assert(restore_elsewhere(net, content));
  live(net, 600);
  net.nodes[0]->report_breach("key-access", 2);
  live(net, 60);
  cr_assert(net.nodes[0]->quarantined);
  cr_assert_eq(net.nodes[0]->generation(asr), 0U);
  cr_assert(net.agreed(asr, 2, {1, 2}));
  cr_assert_eq(net.nodes[3]->generation(asr), 0U);
  net.nmm->remove_member(asr, net.nodes[3]->node_id, [](const Status&) {});
  net.nmm->confirm_asr(asr, [](const Status&) {});
  live(net, 20);
  cr_assert(net.agreed(asr, 3, {1, 2}));
  cr_assert_eq(net.nodes[0]->generation(asr), 0U);
  cr_assert_eq(net.nodes[3]->generation(asr), 0U);
}

Test(restoration, is_for_an_nmm_without_nodes) {
  NmmNet net(1);
  net.activate_all();
  const BackupContent content = content_of(net);
  cr_assert(net.nmm->restoration().take(content).error().code == Errc::already_exists);
  // A record that does not open may hang on the root secret that is here.
  const auto damaged = *net.store.records.find(Registry::node_record_name(net.nodes[0]->node_id));
  net.store.records.clear();
  net.store.records[damaged.first] = {1, 2, 3};
  net.restart_nmm();
  cr_assert(net.nmm->restoration().take(content).error().code == Errc::already_exists);
}

Test(restoration, counts_on_above_the_starts_of_the_lost_machine_and_not_the_same_on_two_machines) {
  NmmNet net(1);
  net.activate_all();
  const BackupContent content = content_of(net);
  std::set<std::uint32_t> bases;
  for (int machine = 0; machine < 2; ++machine) {
    replace_machine(net);
    cr_assert(net.nmm->restoration().take(content));
    cr_assert(net.nmm->restoration().stopped());
    cr_assert(net.nmm->restoration().take(content).error().code == Errc::busy);
    bases.insert(*incarnation_base(net.store));
  }
  cr_assert_eq(bases.size(), 2U);
  cr_assert_geq(*bases.begin(), content.issue.incarnation + (1U << 20));
}

/// A crash between any two writings leaves what there was before, or all of it.
Test(restoration, cut_short_it_is_as_before_or_goes_on) {
  NmmNet net(2);
  net.activate_all();
  (void)net.create(2);
  const BackupContent content = content_of(net);
  replace_machine(net);
  net.nmm->create_root_secret([](const Status&) {});
  const std::uint64_t own = net.nmm->status().nmm_id;
  Photographer photographer;
  for (const auto& [name, record] : net.store.records) cr_assert(photographer.write(name, record));
  photographer.photos.clear();
  net.store.disk = &photographer;
  cr_assert(net.nmm->restoration().take(content));
  net.restart_nmm();
  net.run(seconds(5));
  net.store.disk = nullptr;
  const auto photos = photographer.photos;
  cr_assert_gt(photos.size(), 8U);
  std::size_t before = 0;
  for (const auto& photo : photos) {
    net.store.records = photo;
    net.restart_nmm();
    const StatusSnapshot status = net.nmm->status();
    const bool restored = status.nmm_id == content.issue.nmm_id;
    before += restored ? 0U : 1U;
    cr_assert(restored || status.nmm_id == own);
    cr_assert_eq(net.nmm->nodes().size(), restored ? 2U : 0U);
    cr_assert_eq(net.nmm->asrs().size(), restored ? 1U : 0U);
    cr_assert_not(restored && has_finding(net, "is not there"), "a node without its relationship");
    net.run(seconds(5));
    cr_assert_not(net.store.records.contains("nmm-restoration"));
    cr_assert_not(net.store.records.contains("nmm-restoration-policies"));
  }
  cr_assert(before > 0 && before < photos.size());
}

Test(restoration, a_disk_that_takes_no_more_leaves_what_there_was) {
  for (const char* name : {"nmm-incarnation-base", "nmm-restoration", "nmm-node-", "nmm-asr-", "nmm-root"}) {
    NmmNet net(2);
    net.activate_all();
    (void)net.create(2);
    const BackupContent content = content_of(net);
    replace_machine(net);
    net.store.failing_names = name;
    cr_assert(net.nmm->restoration().take(content).error().code == Errc::disk_full, "%s", name);
    cr_assert_not(net.nmm->restoration().stopped(), "%s", name);
    cr_assert(net.nmm->nodes().empty() && net.nmm->asrs().empty(), "%s", name);
    net.store.failing_names.reset();
    cr_assert(net.nmm->restoration().take(content), "%s: the second time", name);
  }
}

/// What is made beside a half that is left would go with it at the next start.
Test(restoration, what_cannot_be_undone_now_is_undone_by_a_new_start) {
  NmmNet net(2);
  net.activate_all();
  const BackupContent content = content_of(net);
  replace_machine(net);
  Keeper keeper;
  net.store.disk = &keeper;
  net.store.failing_names = "nmm-root";
  cr_assert(net.nmm->restoration().take(content).error().code == Errc::disk_full);
  cr_assert(net.nmm->restoration().stopped());
  cr_assert(net.nmm->restoration().take(content).error().code == Errc::busy);
  net.store.disk = nullptr;
  net.store.failing_names.reset();
  net.restart_nmm();
  cr_assert(net.nmm->nodes().empty());
  cr_assert_not(net.store.records.contains("nmm-restoration"));
  cr_assert(net.nmm->restoration().take(content));
}

/// That a node of the backup could not be called is not forgotten, whatever comes between.
Test(restoration, nodes_that_the_disk_had_no_room_for_are_called_again) {
  NmmNet net(2);
  net.activate_all();
  const BackupContent content = content_of(net);
  replace_machine(net);
  cr_assert(net.nmm->restoration().take(content));
  net.store.failing_names = "asr-";
  net.restart_nmm();
  live(net, 30);
  cr_assert(net.store.records.contains("nmm-restoration"));
  cr_assert_not(has_finding(net, "is not there"), "who reads that erases good nodes");
  net.store.records["nmm-restoration-policies"] = {1, 2, 3};  // what was changed since is not taken back
  net.restart_nmm();
  cr_assert_not(has_finding(net, "set them anew"));
  live(net, 30);
  cr_assert(net.store.records.contains("nmm-restoration"));
  cr_assert_null(net.event("restored"));
  net.store.failing_names.reset();
  live(net, 600);
  cr_assert_not(net.store.records.contains("nmm-restoration"));
  cr_assert_not_null(net.event("restored"));
  for (const auto& node : net.nodes) {
    cr_assert_eq(net.state_of(node->name), "active", "%s", node->name.c_str());
    cr_assert_eq(serial_of(net, node->name), 2U, "%s", node->name.c_str());
  }
}

/// Its next serial travels in an install that it has not had; it stays away.
Test(restoration, a_node_between_two_serials_that_is_away_ends_silent) {
  NmmNet net(2);
  net.activate_all();
  BackupContent content = content_of(net);
  cr_assert(restore_elsewhere(net, content));  // all are between serials now
  content = content_of(net);
  net.nodes[0]->down = true;
  cr_assert(restore_elsewhere(net, content));
  live(net, 1200);
  cr_assert_not(net.store.records.contains("nmm-restoration"));
  cr_assert_not_null(net.event("restored"));
  cr_assert_eq(net.state_of(net.nodes[0]->name), "silent");
  cr_assert_eq(net.state_of(net.nodes[1]->name), "active");
}

Test(restoration, a_retired_node_that_is_to_be_erased_is_called_for_it) {
  NmmNet net(2);
  net.activate_all();
  net.nodes[0]->down = true;
  net.nmm->retire(net.nodes[0]->node_id, false, [](const Status&) {});
  net.run(seconds(5));
  const BackupContent content = content_of(net);
  cr_assert(restore_elsewhere(net, content));
  live(net, 30);
  cr_assert_not(net.store.records.contains("nmm-restoration"));
  net.nodes[0]->down = false;
  live(net, 600);
  cr_assert(net.nodes[0]->erasing);
}

/// Its root secrets are erased: that is no half of a restoration.
Test(restoration, one_that_is_fenced_before_all_nodes_are_called_is_not_undone) {
  NmmNet net(1);
  net.activate_all();
  const BackupContent content = content_of(net);
  replace_machine(net);
  cr_assert(net.nmm->restoration().take(content));
  net.store.failing_names = "asr-";
  net.restart_nmm();
  live(net, 30);
  SeededRandom random(5);
  RootSecret root(net.store, random);
  cr_assert(root.load());
  cr_assert(root.erase());
  net.restart_nmm();
  cr_assert_eq(net.nmm->nodes().size(), 1U);
  live(net, 30);
  cr_assert_not(net.store.records.contains("nmm-restoration"));
  cr_assert_null(net.event("restored"));
}

Test(restoration, a_root_secret_that_followed_is_no_reason_to_undo_it) {
  NmmNet net(2);
  net.activate_all();
  const BackupContent content = content_of(net);
  cr_assert(restore_elsewhere(net, content));
  const auto mark = net.store.records.at("nmm-restoration");
  SeededRandom random(5);
  RootSecret root(net.store, random);
  cr_assert(root.load());
  auto secrets = std::move(*root.read_all());
  secrets.push_back({root.newest() + 1, secrets.back().secret.clone()});
  cr_assert(root.take(content.issue.nmm_id, secrets));
  net.store.records["nmm-restoration"] = mark;
  net.restart_nmm();
  cr_assert_eq(net.nmm->nodes().size(), 2U);
}

Test(restoration, policies_that_do_not_open_are_said_to_be_gone) {
  NmmNet net(1);
  net.activate_all();
  const BackupContent content = content_of(net);
  replace_machine(net);
  cr_assert(net.nmm->restoration().take(content));
  net.store.corrupt = "nmm-restoration-policies";
  net.restart_nmm();
  cr_assert_eq(net.nmm->nodes().size(), 1U);
  cr_assert(has_finding(net, "set them anew"));
}

Test(restoration, too_many_root_secrets_in_use_are_refused) {
  NmmNet net(4);
  net.activate_all();
  BackupContent content = content_of(net);
  for (std::uint32_t number = 2; number <= 4; ++number) {
    content.issue.secrets.push_back({number, content.issue.secrets[0].secret.clone()});
    content.nodes[number - 1].newest.root = number;
  }
  replace_machine(net);
  cr_assert(net.nmm->restoration().take(content).error().code == Errc::limit_exceeded);
  content.nodes[3].newest.root = 3;
  cr_assert(net.nmm->restoration().take(content), "the fourth is not in use");
}
