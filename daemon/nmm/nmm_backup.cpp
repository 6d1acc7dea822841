// The NMM's control port: backups of it, and what comes after one was restored.
#include <utility>

#include "daemon/nmm/nmm.h"

namespace akm::nmm {

Status Nmm::stands_alone() const {
  AKM_TRY(may_act());
  if (root_link_.asr_id() != 0)
    return fail(Errc::wrong_state, "this NMM's Root has all of it: akmctl root nmm replace");
  if (core_.root.newest() == 0) return fail(Errc::wrong_state, "there is no provisioning root secret yet");
  return {};
}

void Nmm::make_backup(UniqueFd secret, Reply<MadeBackup> reply) {
  backups_.make(std::move(secret), std::move(reply));
}

void Nmm::test_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) {
  backups_.look(std::move(file), std::move(secret), std::move(reply));
}

void Nmm::restore_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) {
  backups_.open(std::move(file), std::move(secret),
                [this, reply = std::move(reply)](const Result<BackupContent>& content) mutable {
                  const Status taken = content ? take_over(*content) : std::unexpected(content.error());
                  if (taken) return reply(Backups::facts_of(*content));
                  reply(std::unexpected(taken.error()));
                });
}

Status Nmm::take_over(const BackupContent& content) {
  AKM_TRY(may_act());
  if (root_link_.asr_id() != 0)
    return fail(Errc::wrong_state, "this NMM has a Root, which gives it what it is to know");
  AKM_TRY(restoration_.take(content));
  core_.status_changed();
  return {};
}

void Nmm::confirm_asr(std::uint64_t asr_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  membership_.confirm(asr_id, std::move(done));
  core_.status_changed();
  settle();
}

}  // namespace akm::nmm
