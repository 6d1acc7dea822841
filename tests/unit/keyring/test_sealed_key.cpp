#include "keyring/sealed_key.h"

#include <filesystem>
#include <future>

#include "daemon/base/atomic_file.h"
#include "keyring/sealer_factory.h"
#include "keyring/software_sealer.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using namespace akm::test;

namespace {

using Bytes = std::vector<std::uint8_t>;
const Bytes kSecret(20, 's');

Bytes file_in(const TemporaryFolder& folder) {
  return *read_file(folder.file(kSealedKeyFile), kSealedBlobMaxBytes);
}

}  // namespace

Test(sealed_key, a_key_goes_to_pcrs_is_recovered_and_goes_back) {
  const auto tpm = software_tpm();
  const TemporaryFolder folder;
  TpmSealer sealer(tpm_opener(tpm->tcti()), {kCounterIndex});
  const auto first = open_storage_key(sealer, folder.path());
  cr_assert(first);
  SealedKey key(sealer, folder.path());
  cr_assert_eq(key.recover({}, kSecret).error().code, Errc::wrong_state);
  cr_assert_not(key.reseal({1U << 7, {}}, kSecret).has_value(), "nothing was measured");
  extend_pcr(*tpm, ESYS_TR_PCR7);
  cr_assert(key.reseal({1U << 7, {}}, kSecret).has_value());
  cr_assert_eq(stored_blob(folder.path())->pcr_mask, 1U << 7);
  cr_assert(*open_storage_key(sealer, folder.path()) == *first);
  extend_pcr(*tpm, ESYS_TR_PCR7);
  const Bytes before = file_in(folder);
  cr_assert_not(open_storage_key(sealer, folder.path()).has_value());
  cr_assert_eq(key.reseal({1U << 7, {}}, kSecret).error().code, Errc::sealed_unavailable);
  cr_assert_eq(key.recover({1U << 7, {}}, Bytes(20, 't')).error().code, Errc::not_authentic);
  cr_assert(file_in(folder) == before, "nothing was changed");
  cr_assert(key.recover({1U << 7, {}}, kSecret).has_value());
  cr_assert(*open_storage_key(sealer, folder.path()) == *first);
  cr_assert(key.reseal({}, kSecret).has_value());
  cr_assert_eq(stored_blob(folder.path())->pcr_mask, 0);
  cr_assert(*open_storage_key(sealer, folder.path()) == *first);
}

// A second name of the old file shows what is left of it in its blocks.
Test(sealed_key, of_the_file_that_was_replaced_nothing_is_left) {
  const auto tpm = software_tpm();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  const TemporaryFolder folder;
  TpmSealer sealer(tpm_opener(tpm->tcti()), {kCounterIndex});
  cr_assert(open_storage_key(sealer, folder.path()));
  std::filesystem::create_hard_link(folder.file(kSealedKeyFile), folder.file("old"));
  const std::size_t size = file_in(folder).size();
  int asked = 0;
  SealedKey refused(sealer, folder.path(), [&](const StorageKey&) { return ++asked, fail(Errc::busy); });
  cr_assert_eq(refused.reseal({1U << 7, {}}, kSecret).error().code, Errc::busy);
  cr_assert_eq(asked, 1);
  cr_assert_eq(stored_blob(folder.path())->pcr_mask, 0, "nothing was replaced");
  cr_assert(SealedKey(sealer, folder.path()).reseal({1U << 7, {}}, kSecret).has_value());
  cr_assert(*read_file(folder.file("old"), kSealedBlobMaxBytes) == Bytes(size));
  cr_assert_not(std::filesystem::exists(folder.file(kReplacedKeyFile)));
}

Test(sealed_key, what_a_crash_left_is_finished) {
  const TemporaryFolder folder;
  cr_assert(erase_replaced(folder.path()).has_value(), "nothing is the usual case");
  const std::string present = folder.write(kSealedKeyFile, "new");
  std::filesystem::create_hard_link(present, folder.file(kReplacedKeyFile));
  cr_assert(erase_replaced(folder.path()).has_value());
  cr_assert_not(std::filesystem::exists(folder.file(kReplacedKeyFile)));
  cr_assert_eq(file_in(folder).at(0), 'n', "before the rename: it is the present one");
  const std::string old = folder.write(kReplacedKeyFile, "old");
  std::filesystem::create_hard_link(old, folder.file("blocks"));
  cr_assert(erase_replaced(folder.path()).has_value());
  cr_assert(*read_file(folder.file("blocks"), 8) == Bytes(3));
  cr_assert_eq(file_in(folder).at(0), 'n');
  folder.write(kReplacedKeyFile, "the only one");
  std::filesystem::remove(present);
  cr_assert_eq(erase_replaced(folder.path()).error().code, Errc::storage_failed);
  cr_assert(std::filesystem::exists(folder.file(kReplacedKeyFile)), "with no other it is kept");
}

// While the TPM takes its time, the state may be erased.
Test(sealed_key, what_was_erased_meanwhile_does_not_come_back) {
  const auto tpm = software_tpm();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  const TemporaryFolder folder;
  TpmSealer whole(tpm_opener(tpm->tcti()), {kCounterIndex});
  cr_assert(open_storage_key(whole, folder.path()));
  const Bytes first = file_in(folder);
  const auto expect_gone = [&](const char* what, auto change) {
    cr_assert(write_file_atomically(folder.file(kSealedKeyFile), first, 0600));
    TpmTraffic traffic;
    TpmSealer sealer(faulty_opener(
                         tpm->tcti(),
                         [&](TPM2_CC) -> std::optional<TpmFault> {
                           std::filesystem::remove(folder.file(kSealedKeyFile));
                           return std::nullopt;
                         },
                         &traffic),
                     {kCounterIndex});
    SealedKey key(sealer, folder.path());
    cr_assert_eq(change(key).error().code, Errc::wrong_state, "%s", what);
    cr_assert_not(std::filesystem::exists(folder.file(kSealedKeyFile)), "%s", what);
    cr_assert_not(std::filesystem::exists(folder.file(kReplacedKeyFile)), "%s", what);
  };
  expect_gone("reseal", [](SealedKey& key) { return key.reseal({1U << 7, {}}, kSecret); });
  expect_gone("to the TPM alone", [](SealedKey& key) { return key.reseal({}, kSecret); });
}

// The last step of a reseal and the erasing exclude each other, whoever comes first.
Test(sealed_key, a_reseal_waits_for_who_erases) {
  const auto tpm = software_tpm();
  const TemporaryFolder folder;
  TpmSealer sealer(tpm_opener(tpm->tcti()), {kCounterIndex});
  cr_assert(open_storage_key(sealer, folder.path()));
  auto lock = lock_sealed_key(folder.path());
  cr_assert(lock.has_value());
  std::promise<void> at_the_end;
  SealedKey key(sealer, folder.path(), [&](const StorageKey&) -> Status {
    at_the_end.set_value();
    return {};
  });
  auto resealed = std::async(std::launch::async, [&key] { return key.reseal({}, kSecret); });
  at_the_end.get_future().wait();
  std::filesystem::remove(folder.file(kSealedKeyFile));
  *lock = UniqueFd();
  cr_assert_eq(resealed.get().error().code, Errc::wrong_state);
  cr_assert_not(std::filesystem::exists(folder.file(kSealedKeyFile)));
}

// Whatever goes wrong while the key is sealed anew, the file that is there opens.
Test(sealed_key, a_fault_at_any_command_leaves_a_file_that_opens, .timeout = 250) {
  const auto tpm = software_tpm();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  const TemporaryFolder folder;
  TpmSealer whole(tpm_opener(tpm->tcti()), {kCounterIndex});
  const auto first = open_storage_key(whole, folder.path());
  cr_assert(first);
  int failed = 0;
  for (int at = 1;; ++at) {
    int number = 0;
    bool hit = false;
    TpmTraffic traffic;
    TpmSealer sealer(faulty_opener(
                         tpm->tcti(),
                         [&](TPM2_CC) -> std::optional<TpmFault> {
                           if (++number != at) return std::nullopt;
                           hit = true;
                           return TpmFault{.kind = TpmFault::Kind::cut_short};
                         },
                         &traffic),
                     {kCounterIndex});
    failed += SealedKey(sealer, folder.path()).reseal({1U << 7, {}}, kSecret) ? 0 : 1;
    cr_assert(*open_storage_key(whole, folder.path()) == *first, "command %d", at);
    if (!hit) break;
  }
  cr_assert_gt(failed, 20);
}

Test(sealed_key, what_no_tpm_has_sealed_is_left_alone) {
  const auto tpm = software_tpm();
  const TemporaryFolder folder;
  SoftwareSealer software({folder.path(), {}, ""});
  cr_assert(open_storage_key(software, folder.path()));
  TpmSealer sealer(tpm_opener(tpm->tcti()), {kCounterIndex});
  const Bytes before = file_in(folder);
  cr_assert_eq(SealedKey(sealer, folder.path()).reseal({1U << 7, {}}, kSecret).error().code,
               Errc::not_supported);
  cr_assert(file_in(folder) == before);
  const TemporaryFolder empty;
  cr_assert_eq(stored_blob(empty.path()).error().code, Errc::not_found);
}
