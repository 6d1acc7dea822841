#include "keyring/software_sealer.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "keyring/sealed_blob.h"
#include "tests/support/temporary_folder.h"

using akm::Errc;
using akm::keyring::SoftwareSealer;
using akm::keyring::StorageKey;
using akm::test::TemporaryFolder;
using Bytes = std::vector<std::uint8_t>;

namespace {

StorageKey key_of(std::uint8_t first) {
  StorageKey key;
  for (std::size_t i = 0; i < akm::keyring::kStorageKeyBytes; ++i) {
    key.reveal_mutable()[i] = static_cast<std::uint8_t>(first + i);
  }
  return key;
}

SoftwareSealer sealer_in(const std::string& folder, Bytes binding = {}) {
  return SoftwareSealer({folder, std::move(binding), {}});
}

Bytes text(const char* value) {
  return {value, value + std::char_traits<char>::length(value)};
}

}  // namespace

Test(software_sealer, seals_and_unseals_also_in_another_process_life) {
  const TemporaryFolder folder;
  const auto blob = sealer_in(folder.file("state")).seal(key_of(1));
  cr_assert(blob, "%s", blob.error().message().c_str());
  const auto opened = sealer_in(folder.file("state")).unseal(*blob);
  cr_assert(opened, "%s", opened.error().message().c_str());
  cr_assert(*opened == key_of(1));
  struct stat status{};
  cr_assert_eq(::stat(folder.file("state/software.key").c_str(), &status), 0);
  cr_assert_eq(status.st_mode & 07777, 0600);
  cr_assert_eq(status.st_size, 32);
  cr_assert(std::ranges::search(*blob, key_of(1).reveal().first(8)).empty());
}

Test(software_sealer, says_loudly_what_it_is) {
  const SoftwareSealer plain({"/x", {}, "no TPM at device:/dev/tpmrm0"});
  cr_assert(plain.description().starts_with("software: keys on this disk open without a secure element"));
  cr_assert(plain.description().find("no TPM at") != std::string::npos);
  cr_assert(sealer_in("/x", {1}).description().find("on this machine") != std::string::npos);
  cr_assert(plain.kind() == akm::keyring::SealerKind::software);
}

Test(software_sealer, another_key_file_or_machine_does_not_open) {
  const TemporaryFolder one;
  const TemporaryFolder two;
  const auto blob = sealer_in(one.path(), {1, 2, 3}).seal(key_of(1));
  cr_assert(blob);
  cr_assert(sealer_in(two.path(), {1, 2, 3}).seal(key_of(1)));
  for (auto sealer :
       {sealer_in(two.path(), {1, 2, 3}), sealer_in(one.path(), {1, 2, 4}), sealer_in(one.path())}) {
    const auto opened = sealer.unseal(*blob);
    cr_assert(!opened);
    cr_assert(opened.error().code == Errc::sealed_unavailable);
    cr_assert(opened.error().detail.find("another machine") != std::string::npos, "%s",
              opened.error().detail.c_str());
  }
  cr_assert(sealer_in(one.path(), {1, 2, 3}).unseal(*blob));
}

Test(software_sealer, a_missing_key_file_is_said_and_not_made_anew) {
  const TemporaryFolder folder;
  const auto blob = sealer_in(folder.path()).seal(key_of(1));
  std::filesystem::remove(folder.file("software.key"));
  const auto opened = sealer_in(folder.path()).unseal(*blob);
  cr_assert(!opened);
  cr_assert(opened.error().code == Errc::sealed_unavailable);
  cr_assert(opened.error().detail.find("software.key is missing") != std::string::npos);
  cr_assert(!std::filesystem::exists(folder.file("software.key")));
}

Test(software_sealer, a_key_file_that_others_can_read_is_refused) {
  const TemporaryFolder folder;
  const auto blob = sealer_in(folder.path()).seal(key_of(1));
  cr_assert_eq(::chmod(folder.file("software.key").c_str(), 0640), 0);
  cr_assert(sealer_in(folder.path()).unseal(*blob).error().code == Errc::sealed_unavailable);
  cr_assert(!sealer_in(folder.path()).seal(key_of(1)));
}

Test(software_sealer, damaged_blobs_and_key_files_do_not_open) {
  const TemporaryFolder folder;
  const auto blob = sealer_in(folder.path()).seal(key_of(1));
  for (std::size_t at = 0; at < blob->size(); ++at) {
    Bytes damaged = *blob;
    damaged[at] ^= 1;
    cr_assert(sealer_in(folder.path()).unseal(damaged).error().code == Errc::sealed_unavailable, "octet %zu",
              at);
  }
  auto decoded = *akm::keyring::decode_sealed_blob(*blob);
  decoded.private_part.back() ^= 1;  // behind a right checksum
  cr_assert(!sealer_in(folder.path()).unseal(*akm::keyring::encode_sealed_blob(decoded)));
  decoded.private_part.pop_back();
  cr_assert(!sealer_in(folder.path()).unseal(*akm::keyring::encode_sealed_blob(decoded)));
  decoded.kind = akm::keyring::SealerKind::tpm;
  cr_assert(sealer_in(folder.path())
                .unseal(*akm::keyring::encode_sealed_blob(decoded))
                .error()
                .detail.find("TPM") != std::string::npos);
  cr_assert(akm::write_file_atomically(folder.file("software.key"), Bytes(31, 0), 0600));
  cr_assert(!sealer_in(folder.path()).unseal(*blob));
}

Test(software_sealer, incarnations_rise_over_restarts) {
  const TemporaryFolder folder;
  for (std::uint32_t start = 1; start <= 4; ++start) {
    const auto next = sealer_in(folder.path()).next_incarnation();
    cr_assert(next);
    cr_assert_eq(*next, start);
  }
}

Test(software_sealer, a_damaged_incarnation_file_is_kept_and_never_restarts_at_one) {
  const TemporaryFolder folder;
  for (const char* content :
       {"", "\n", "x\n", "12", "12\n\n", "-1\n", "4294967296\n", " 1\n", "99999999999999999999\n"}) {
    cr_assert(akm::write_file_atomically(folder.file("incarnation"), text(content), 0600));
    const auto next = sealer_in(folder.path()).next_incarnation();
    cr_assert(!next, "%s", content);
    cr_assert(next.error().code == Errc::state_corrupt);
    cr_assert(*akm::read_file(folder.file("incarnation"), 64) == text(content));
  }
  cr_assert(akm::write_file_atomically(folder.file("incarnation"), text("4294967294\n"), 0600));
  cr_assert_eq(*sealer_in(folder.path()).next_incarnation(), UINT32_MAX);
  cr_assert(sealer_in(folder.path()).next_incarnation().error().code == Errc::exhausted);
}

Test(software_sealer, erased_its_bytes_go_before_the_name) {
  const TemporaryFolder folder;
  SoftwareSealer sealer = sealer_in(folder.file("state"));
  const auto blob = sealer.seal(key_of(1));
  std::filesystem::create_hard_link(folder.file("state/software.key"), folder.file("other"));
  cr_assert_eq(sealer.erase({})->at(0), "software-key");
  cr_assert_not(std::filesystem::exists(folder.file("state/software.key")));
  cr_assert(*akm::read_file(folder.file("other"), 64) == Bytes(32));
  cr_assert_eq(sealer.unseal(*blob).error().code, Errc::sealed_unavailable);
  cr_assert(sealer.erase({})->empty(), "there is nothing left to name");
}
