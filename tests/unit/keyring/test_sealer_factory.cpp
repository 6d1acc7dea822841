#include "keyring/sealer_factory.h"

#include <criterion/criterion.h>

#include "daemon/base/atomic_file.h"
#include "tests/support/softhsm_fixture.h"
#include "tests/support/swtpm_fixture.h"
#include "tests/support/temporary_folder.h"

using akm::Errc;
using akm::keyring::make_sealer;
using akm::keyring::open_storage_key;
using akm::keyring::SealerKind;
using akm::keyring::SealerMode;
using akm::keyring::SealerOptions;
using akm::test::SwTpm;
using akm::test::TemporaryFolder;

namespace {

constexpr const char* kNowhere = "swtpm:path=/nonexistent/tpm.sock";

SealerOptions options_in(const TemporaryFolder& folder, SealerMode mode, std::string tcti = kNowhere) {
  SealerOptions options;
  options.mode = mode;
  options.tcti = std::move(tcti);
  options.state_folder = folder.path();
  return options;
}

std::unique_ptr<SwTpm> software_tpm() {
  if (!akm::test::have_swtpm()) cr_skip("%s", akm::test::kNoSwtpm);
  return std::make_unique<SwTpm>();
}

std::vector<std::uint8_t> blob_in(const TemporaryFolder& folder) {
  const auto blob = akm::read_file(folder.file("kek.sealed"), 8192);
  cr_assert(blob);
  return *blob;
}

}  // namespace

Test(sealer_factory, a_tpm_is_taken_where_there_is_one) {
  const auto tpm = software_tpm();
  const TemporaryFolder folder;
  const auto sealer = make_sealer(options_in(folder, SealerMode::automatic, tpm->tcti()));
  cr_assert(sealer);
  cr_assert((*sealer)->kind() == SealerKind::tpm);
  const auto first = open_storage_key(**sealer, folder.path());
  cr_assert(first, "%s", first.error().message().c_str());
  const auto blob = blob_in(folder);
  tpm->restart();
  const auto again = make_sealer(options_in(folder, SealerMode::automatic, tpm->tcti()));
  const auto second = open_storage_key(**again, folder.path());
  cr_assert(second, "%s", second.error().message().c_str());
  cr_assert(*first == *second);
  cr_assert(blob_in(folder) == blob, "made once");
}

Test(sealer_factory, software_only_where_it_is_allowed) {
  const TemporaryFolder folder;
  auto options = options_in(folder, SealerMode::automatic);
  options.allow_software = false;
  cr_assert(make_sealer(options).error().code == Errc::no_secure_element);
  options.mode = SealerMode::software;
  cr_assert(make_sealer(options).error().code == Errc::no_secure_element);
  options.mode = SealerMode::tpm;
  options.allow_software = true;
  cr_assert(make_sealer(options).error().code == Errc::no_secure_element);
  options.mode = SealerMode::automatic;
  const auto sealer = make_sealer(options);
  cr_assert(sealer);
  cr_assert((*sealer)->kind() == SealerKind::software);
  cr_assert((*sealer)->description().find("no TPM at") != std::string::npos, "%s",
            (*sealer)->description().c_str());
  const auto first = open_storage_key(**sealer, folder.path());
  cr_assert(first);
  cr_assert(*open_storage_key(**sealer, folder.path()) == *first);
  // Forbidding it later does not open what is there, and does not touch it.
  options.allow_software = false;
  cr_assert(make_sealer(options).error().code == Errc::no_secure_element);
}

Test(sealer_factory, a_tpm_that_went_away_never_becomes_a_new_software_key) {
  const auto tpm = software_tpm();
  const TemporaryFolder folder;
  cr_assert(
      open_storage_key(**make_sealer(options_in(folder, SealerMode::automatic, tpm->tcti())), folder.path()));
  const auto blob = blob_in(folder);
  tpm->stop();
  for (const SealerMode mode : {SealerMode::automatic, SealerMode::tpm, SealerMode::software}) {
    const auto sealer = make_sealer(options_in(folder, mode, tpm->tcti()));
    cr_assert(sealer);
    const auto key = open_storage_key(**sealer, folder.path());
    cr_assert(!key);
    cr_assert(key.error().code == Errc::sealed_unavailable);
    cr_assert(blob_in(folder) == blob);
  }
  cr_assert(!std::filesystem::exists(folder.file("software.key")));
}

Test(sealer_factory, another_machines_blob_is_kept_and_said) {
  const auto tpm = software_tpm();
  const auto other = software_tpm();
  const TemporaryFolder folder;
  cr_assert(
      open_storage_key(**make_sealer(options_in(folder, SealerMode::automatic, tpm->tcti())), folder.path()));
  const auto blob = blob_in(folder);
  const auto key = open_storage_key(**make_sealer(options_in(folder, SealerMode::automatic, other->tcti())),
                                    folder.path());
  cr_assert(!key);
  cr_assert(key.error().code == Errc::sealed_unavailable);
  cr_assert(key.error().detail.find("another machine") != std::string::npos);
  cr_assert(blob_in(folder) == blob);
}

Test(sealer_factory, a_damaged_blob_is_kept_and_no_new_key_is_made) {
  for (const auto& content : {std::vector<std::uint8_t>{1, 2, 3}, std::vector<std::uint8_t>(9000, 1),
                              std::vector<std::uint8_t>()}) {
    const TemporaryFolder folder;
    cr_assert(akm::write_file_atomically(folder.file("kek.sealed"), content, 0600));
    for (const SealerMode mode : {SealerMode::automatic, SealerMode::software}) {
      const auto sealer = make_sealer(options_in(folder, mode));
      cr_assert(sealer);
      const auto key = open_storage_key(**sealer, folder.path());
      cr_assert(!key);
      cr_assert(key.error().code == Errc::sealed_unavailable);
    }
    cr_assert_eq(std::filesystem::file_size(folder.file("kek.sealed")), content.size());
    cr_assert(!std::filesystem::exists(folder.file("software.key")));
  }
}

Test(sealer_factory, a_software_key_stays_one_when_a_tpm_appears) {
  const auto tpm = software_tpm();
  const TemporaryFolder folder;
  const auto before =
      open_storage_key(**make_sealer(options_in(folder, SealerMode::automatic)), folder.path());
  cr_assert(before);
  const auto sealer = make_sealer(options_in(folder, SealerMode::automatic, tpm->tcti()));
  cr_assert((*sealer)->kind() == SealerKind::software);
  cr_assert(*open_storage_key(**sealer, folder.path()) == *before);
}

Test(sealer_factory, bad_options_are_refused) {
  const TemporaryFolder folder;
  auto options = options_in(folder, SealerMode::software);
  options.nv_index = 0;
  cr_assert(make_sealer(options).error().code == Errc::invalid_argument);
  options.nv_index = 0x81000001;
  cr_assert(!make_sealer(options));
  options = options_in(folder, SealerMode::software);
  options.state_folder.clear();
  cr_assert(!make_sealer(options));
}

Test(sealer_factory, kinds_have_names) {
  cr_assert(akm::keyring::sealer_kind_name(SealerKind::tpm) == "tpm");
  cr_assert(akm::keyring::sealer_kind_name(SealerKind::software) == "software");
}

Test(sealer_factory, a_key_in_a_token_is_opened_by_the_token_only) {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
  const akm::test::SoftHsm hsm;
  const TemporaryFolder folder;
  auto options = options_in(folder, SealerMode::token);
  options.token = {hsm.place, hsm.pin_file("1234")};
  const auto sealer = make_sealer(options);
  cr_assert(sealer && (*sealer)->kind() == SealerKind::token);
  const auto first = open_storage_key(**sealer, folder.path());
  cr_assert(first, "%s", first.error().message().c_str());
  cr_assert(*open_storage_key(**sealer, folder.path()) == *first);
  const auto blob = blob_in(folder);
  for (const SealerMode mode : {SealerMode::automatic, SealerMode::software}) {
    const auto other = make_sealer(options_in(folder, mode));
    const auto opened = other ? open_storage_key(**other, folder.path()) : std::unexpected(other.error());
    cr_assert(!opened && opened.error().code == Errc::sealed_unavailable);
    cr_assert(opened.error().detail.contains("token"), "%s", opened.error().detail.c_str());
  }
  hsm.pull_out();
  cr_assert(open_storage_key(**make_sealer(options), folder.path()).error().code == Errc::sealed_unavailable);
  hsm.put_back();
  cr_assert(blob_in(folder) == blob, "nothing was made anew");
  cr_assert_eq((*make_sealer(options))->erase(blob)->size(), 2);
  cr_assert(!open_storage_key(**sealer, folder.path()));
}

Test(sealer_factory, a_key_that_cannot_be_stored_leaves_nothing_on_the_token) {
  if (!akm::test::have_softhsm()) cr_skip("%s", akm::test::kNoSoftHsm);
  const akm::test::SoftHsm hsm;
  const TemporaryFolder folder;
  auto options = options_in(folder, SealerMode::token);
  options.state_folder = folder.file("not-there");
  options.token = {hsm.place, hsm.pin_file("1234")};
  cr_assert(!open_storage_key(**make_sealer(options), options.state_folder));
  const auto token = akm::keyring::Pkcs11Token::open(hsm.place, hsm.pin);
  cr_assert((*token)->find_private({"akm starts", ""})->empty());
}
