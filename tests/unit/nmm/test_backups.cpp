#include "daemon/nmm/backups.h"

#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/nmm/backup_bench.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

TestSuite(backups, .init = quiet);

namespace {

UniqueFd again(const UniqueFd& fd) {
  return UniqueFd(::dup(fd.get()));
}

/// Answers of the port, which come when the thread aside has done its work.
Result<ControlPort::MadeBackup> make(NmmNet& net, UniqueFd secret = {}) {
  Result<ControlPort::MadeBackup> out = fail(Errc::internal, "no answer");
  net.nmm->make_backup(std::move(secret),
                       [&](Result<ControlPort::MadeBackup> made) { out = std::move(made); });
  net.run_aside();
  return out;
}

Result<ControlPort::BackupFacts> look(NmmNet& net, const UniqueFd& file, const UniqueFd& secret) {
  Result<ControlPort::BackupFacts> out = fail(Errc::internal, "no answer");
  net.nmm->test_backup(again(file), again(secret),
                       [&](Result<ControlPort::BackupFacts> facts) { out = std::move(facts); });
  net.run_aside();
  return out;
}

}  // namespace

Test(backups, are_made_under_a_secret_that_is_drawn_and_tested_without_changing_anything) {
  NmmNet net(2, cheap());
  net.activate_all();
  const auto asr = net.create(2);
  const auto made = make(net);
  cr_assert(made, "%s", made ? "" : made.error().message().c_str());
  cr_assert_not_null(net.event("backup-made"));
  const auto code = dbus::read_sealed_memfd(made->secret.get(), 64);
  cr_assert_eq(code->size(), 23U, "four groups of five");
  const auto records = net.store.records;
  const auto facts = look(net, made->file, made->secret);
  cr_assert(facts, "%s", facts ? "" : facts.error().message().c_str());
  cr_assert_eq(facts->nmm_id, net.nmm->status().nmm_id);
  cr_assert_eq(facts->nodes.size(), 2U);
  cr_assert_eq(facts->nodes.at(0).state, "active");
  cr_assert_eq(facts->nodes.at(0).serial, 1U);
  cr_assert_eq(facts->asrs.at(0).id, asr);
  cr_assert_eq(facts->asrs.at(0).members, 2U);
  cr_assert(net.store.records == records);
}

Test(backups, are_made_under_the_operators_own_secret) {
  NmmNet net(1, cheap());
  net.activate_all();
  cr_assert(make(net, memfd("too short")).error().code == Errc::invalid_argument);
  const auto made = make(net, memfd("correct horse battery"));
  cr_assert(made && !made->secret);
  cr_assert(look(net, made->file, memfd("correct horse battery")));
}

Test(backups, need_a_root_secret_and_room_for_one_more) {
  NmmNet net(4, cheap());
  net.activate_all();
  SeededRandom random(5);
  RootSecret root(net.store, random);
  Registry registry(net.store);
  cr_assert(root.load() && registry.load());
  auto secrets = std::move(*root.read_all());
  for (std::uint32_t number = 2; number <= 4; ++number) {
    secrets.push_back({number, secrets[0].secret.clone()});
    NodeRecord node = *registry.node(net.nodes[number - 1]->node_id);
    node.root = number;
    cr_assert(registry.put(node));
  }
  cr_assert(root.take(root.nmm_id(), secrets));
  net.restart_nmm();
  cr_assert(make(net).error().code == Errc::limit_exceeded);
  net.store.records.clear();
  net.restart_nmm();
  cr_assert(make(net).error().code == Errc::wrong_state);
}

Test(backups, are_busy_where_the_thread_aside_is) {
  NmmNet net(1, cheap());
  net.activate_all();
  net.aside_full = true;
  cr_assert(make(net).error().code == Errc::busy);
}
