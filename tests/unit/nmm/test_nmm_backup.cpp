#include <criterion/criterion.h>

#include "tests/unit/nmm/backup_bench.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using std::chrono::seconds;

TestSuite(nmm_backup, .init = quiet);

namespace {

constexpr std::string_view kSecret = "correct horse battery";

Result<ControlPort::BackupFacts> restore(NmmNet& net, const UniqueFd& file, std::string_view secret) {
  Result<ControlPort::BackupFacts> out = fail(Errc::internal, "no answer");
  net.nmm->restore_backup(UniqueFd(::dup(file.get())), memfd(secret),
                          [&](Result<ControlPort::BackupFacts> facts) { out = std::move(facts); });
  net.run_aside();
  return out;
}

}  // namespace

Test(nmm_backup, from_the_file_to_the_nodes) {
  NmmNet net(2, cheap());
  net.activate_all();
  (void)net.create(2);
  UniqueFd file;
  net.nmm->make_backup(memfd(kSecret), [&](Result<ControlPort::MadeBackup> made) {
    if (made) file = std::move(made->file);
  });
  net.run_aside();
  cr_assert(file);
  cr_assert(restore(net, file, kSecret).error().code == Errc::already_exists, "it has nodes");

  net.store.records.clear();
  net.restart_nmm();
  cr_assert(restore(net, file, "another secret of it").error().code == Errc::not_authentic);
  cr_assert(net.store.records.empty() || net.nmm->status().state == "no-root-secret");
  const auto facts = restore(net, file, kSecret);
  cr_assert(facts, "%s", facts ? "" : facts.error().message().c_str());
  cr_assert_eq(facts->nodes.size(), 2U);
  std::optional<Status> busy;
  net.nmm->rekey(facts->asrs.at(0).id, into(busy));
  cr_assert(busy->error().code == Errc::busy, "it starts anew");
  net.restart_nmm();
  live(net, 300);
  cr_assert_eq(net.state_of("n0"), "active");
  cr_assert_not_null(net.event("restored"));
}

Test(nmm_backup, only_a_relationship_that_is_there_is_confirmed) {
  NmmNet net(2, cheap());
  net.activate_all();
  std::optional<Status> none;
  net.nmm->confirm_asr(99, into(none));
  cr_assert(none->error().code == Errc::not_found);
}
