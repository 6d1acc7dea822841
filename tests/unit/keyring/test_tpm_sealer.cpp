// On a real software TPM (swtpm), with faults injected at the TCTI.
#include "keyring/tpm_sealer.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "keyring/sealed_blob.h"
#include "keyring/tpm_templates.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/tpm_bench.h"

using akm::Errc;
using akm::keyring::SealerKind;
using akm::keyring::StorageKey;
using akm::keyring::tpm_opener;
using akm::keyring::TpmContext;
using akm::keyring::TpmSealer;
using akm::keyring::TpmSealerOptions;
using akm::test::context_at;
using akm::test::key_of;
using akm::test::lockout_counter;
using akm::test::make_persistent;
using akm::test::software_tpm;
using akm::test::SwTpm;
using akm::test::TpmFault;

namespace {

constexpr std::uint32_t kIndex = akm::test::kCounterIndex;

TpmSealer sealer_at(const SwTpm& tpm) {
  return {tpm_opener(tpm.tcti()), TpmSealerOptions{kIndex}};
}

}  // namespace

Test(tpm_sealer, seals_and_unseals_also_after_a_restart_of_the_tpm) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  cr_assert(sealer.kind() == SealerKind::tpm);
  const auto blob = sealer.seal(key_of(1));
  cr_assert(blob, "%s", blob.error().message().c_str());
  const auto opened = sealer.unseal(*blob);
  cr_assert(opened, "%s", opened.error().message().c_str());
  cr_assert(*opened == key_of(1));
  tpm->restart();
  const auto again = sealer.unseal(*blob);
  cr_assert(again, "%s", again.error().message().c_str());
  cr_assert(*again == key_of(1));
}

Test(tpm_sealer, the_blob_does_not_hold_the_key) {
  const auto tpm = software_tpm();
  const StorageKey key = key_of(1);
  const auto blob = sealer_at(*tpm).seal(key);
  cr_assert(blob);
  cr_assert(std::ranges::search(*blob, key.reveal().first(8)).empty());
}

// Searches the writable memory of this process, but the arena of secrets, for what an unsealing left.
Test(tpm_sealer, no_copy_of_the_key_stays_in_memory) {
#ifdef __SANITIZE_ADDRESS__
  cr_skip("under AddressSanitizer freed memory is kept on purpose, and its shadow is terabytes");
#endif
  const auto tpm = software_tpm();
  cr_assert(akm::harden_process());
  TpmSealer sealer = sealer_at(*tpm);
  const auto octet = [](std::size_t i) { return static_cast<std::uint8_t>(0xA0 ^ (i * 37 + 11)); };
  std::vector<std::uint8_t> blob;
  {
    StorageKey key;
    for (std::size_t i = 0; i < akm::keyring::kStorageKeyBytes; ++i) key.reveal_mutable()[i] = octet(i);
    blob = *sealer.seal(key);
  }
  cr_assert(sealer.unseal(blob));
  // The control: a copy that does stay is found. Octet by octet, so that the search itself makes none.
  const auto control = std::make_unique<std::array<volatile std::uint8_t, 16>>();
  for (std::size_t i = 0; i < 16; ++i) (*control)[i] = octet(i);
  int found = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char flags[5] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, flags) != 3 || flags[1] != 'w') continue;
    if (line.find("secretmem") != std::string::npos || line.find("[v") != std::string::npos) continue;
    for (std::uintptr_t at = begin; at + 16 <= end; ++at) {
      const auto* memory = reinterpret_cast<const volatile std::uint8_t*>(at);
      std::size_t same = 0;
      while (same < 16 && memory[same] == octet(same)) ++same;
      found += same == 16;
    }
  }
  cr_assert_eq(found, 1, "%d places hold the key, one of them is the control", found);
}

Test(tpm_sealer, probing_tells_which_tpm) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  cr_assert(sealer.probe());
  cr_assert(sealer.description().starts_with("TPM 2.0 (IBM SW"), "%s", sealer.description().c_str());
  cr_assert(sealer.description().find("firmware") != std::string::npos);
}

Test(tpm_sealer, another_tpm_cannot_unseal) {
  const auto tpm = software_tpm();
  const auto other = software_tpm();
  const auto blob = sealer_at(*tpm).seal(key_of(1));
  cr_assert(blob);
  const auto opened = sealer_at(*other).unseal(*blob);
  cr_assert(!opened);
  cr_assert(opened.error().code == Errc::sealed_unavailable);
  cr_assert(opened.error().detail.find("another machine") != std::string::npos, "%s",
            opened.error().detail.c_str());
}

Test(tpm_sealer, without_a_tpm_it_is_unavailable) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  const auto blob = sealer.seal(key_of(1));
  cr_assert(blob);
  tpm->stop();
  cr_assert(!sealer.probe());
  cr_assert(sealer.seal(key_of(1)).error().code == Errc::tpm_failed);
  cr_assert(sealer.next_incarnation().error().code == Errc::tpm_failed);
  const auto opened = sealer.unseal(*blob);
  cr_assert(!opened);
  cr_assert(opened.error().code == Errc::sealed_unavailable);
  cr_assert(opened.error().detail.find("no TPM at") != std::string::npos, "%s",
            opened.error().detail.c_str());
}

// Whole blob behind a right checksum: the TPM itself has to refuse.
Test(tpm_sealer, a_changed_blob_does_not_unseal) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  const auto bytes = sealer.seal(key_of(1));
  cr_assert(bytes);
  for (std::size_t at = 0; at < bytes->size(); at += 7) {
    auto damaged = *bytes;
    damaged[at] ^= 1;
    const auto opened = sealer.unseal(damaged);
    cr_assert(!opened, "octet %zu", at);
    cr_assert(opened.error().code == Errc::sealed_unavailable);
  }
  const auto blob = akm::keyring::decode_sealed_blob(*bytes);
  cr_assert(blob);
  for (const bool in_private : {true, false}) {
    auto forged = *blob;
    auto& part = in_private ? forged.private_part : forged.public_part;
    part.back() ^= 1;
    const auto opened = sealer.unseal(*akm::keyring::encode_sealed_blob(forged));
    cr_assert(!opened);
    cr_assert(opened.error().code == Errc::sealed_unavailable);
  }
  auto longer = *blob;
  longer.private_part.push_back(0);
  cr_assert(!sealer.unseal(*akm::keyring::encode_sealed_blob(longer)));
  auto software = *blob;
  software.kind = SealerKind::software;
  cr_assert(sealer.unseal(*akm::keyring::encode_sealed_blob(software)).error().detail.find("software") !=
            std::string::npos);
  cr_assert(!sealer.unseal({}));
  cr_assert_eq(lockout_counter(*tpm), 0, "nothing of that counts towards lockout");
}
Test(tpm_sealer, wrong_authorisations_never_lock_the_tpm) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  cr_assert(sealer.next_incarnation());
  {
    const auto context = context_at(*tpm);
    const auto index = context->find(kIndex, "index");
    cr_assert(index);
    TPM2B_AUTH wrong{};
    wrong.size = 5;
    std::fill_n(wrong.buffer, 5, BYTE{7});  // zeros at the end would not count
    cr_assert_eq(Esys_TR_SetAuth(context->esys(), index->get(), &wrong), TSS2_RC_SUCCESS);
    for (int attempt = 0; attempt < 10; ++attempt) {
      cr_assert_neq(Esys_NV_Increment(context->esys(), index->get(), index->get(), ESYS_TR_PASSWORD,
                                      ESYS_TR_NONE, ESYS_TR_NONE),
                    TSS2_RC_SUCCESS);
    }
  }
  cr_assert_eq(lockout_counter(*tpm), 0);
  cr_assert(sealer.next_incarnation());
}

Test(tpm_sealer, a_persistent_storage_root_key_is_used_and_a_later_one_changes_nothing) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  const auto before = sealer.seal(key_of(1));
  cr_assert(before);
  // Somebody makes an RSA key the machine's storage root key.
  make_persistent(*tpm, akm::keyring::storage_template_rsa(), akm::keyring::kStorageRootKeyHandle);
  const auto opened = sealer.unseal(*before);
  cr_assert(opened, "%s", opened.error().message().c_str());
  cr_assert(*opened == key_of(1));
  cr_assert(akm::keyring::decode_sealed_blob(*sealer.seal(key_of(3)))->parent ==
                akm::keyring::decode_sealed_blob(*before)->parent,
            "who has opened a key stays with its root");
  const auto after = sealer_at(*tpm).seal(key_of(2));
  cr_assert(after);
  cr_assert(akm::keyring::decode_sealed_blob(*before)->parent !=
            akm::keyring::decode_sealed_blob(*after)->parent);
  cr_assert(*sealer.unseal(*after) == key_of(2));
}

Test(tpm_sealer, incarnations_rise_also_over_restarts) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  std::uint32_t last = 0;
  for (int start = 0; start < 4; ++start) {
    const auto next = sealer.next_incarnation();
    cr_assert(next, "%s", next.error().message().c_str());
    cr_assert_gt(*next, last);
    last = *next;
    tpm->restart();
  }
  TpmSealer second(tpm_opener(tpm->tcti()), TpmSealerOptions{kIndex + 1});
  cr_assert(second.next_incarnation());
  cr_assert_gt(*sealer.next_incarnation(), last, "another index does not disturb");
}

Test(tpm_sealer, a_counter_removed_and_defined_anew_does_not_go_back) {
  const auto tpm = software_tpm();
  TpmSealer sealer = sealer_at(*tpm);
  std::uint32_t last = 0;
  for (int i = 0; i < 5; ++i) last = *sealer.next_incarnation();
  {
    const auto context = context_at(*tpm);
    auto index = context->find(kIndex, "index");
    cr_assert(index);
    cr_assert_eq(Esys_NV_UndefineSpace(context->esys(), ESYS_TR_RH_OWNER, index->get(), ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE),
                 TSS2_RC_SUCCESS);
  }
  cr_assert_gt(*sealer.next_incarnation(), last);
}

Test(tpm_sealer, an_index_of_somebody_else_is_not_touched) {
  const auto tpm = software_tpm();
  {
    const auto context = context_at(*tpm);
    TPM2B_NV_PUBLIC area{};
    area.nvPublic.nvIndex = kIndex;
    area.nvPublic.nameAlg = TPM2_ALG_SHA256;
    area.nvPublic.attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE;
    area.nvPublic.dataSize = 8;
    const TPM2B_AUTH empty{};
    ESYS_TR index = ESYS_TR_NONE;
    cr_assert_eq(Esys_NV_DefineSpace(context->esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &empty, &area, &index),
                 TSS2_RC_SUCCESS);
  }
  const auto next = sealer_at(*tpm).next_incarnation();
  cr_assert(!next);
  cr_assert(next.error().code == Errc::tpm_failed);
  cr_assert(next.error().detail.find("0x01800a4b") != std::string::npos, "%s", next.error().detail.c_str());
}

Test(tpm_sealer, what_the_tpm_puts_off_is_submitted_again) {
  const auto tpm = software_tpm();
  int put_off = 0;
  TpmSealer sealer(akm::test::faulty_opener(tpm->tcti(),
                                            [&](TPM2_CC code) -> std::optional<TpmFault> {
                                              if (code != TPM2_CC_Create || put_off == 7) return std::nullopt;
                                              ++put_off;
                                              return TpmFault{TpmFault::Kind::respond, TPM2_RC_RETRY};
                                            }),
                   {kIndex});
  const auto blob = sealer.seal(key_of(1));
  cr_assert(blob, "%s", blob.error().message().c_str());
  cr_assert_eq(put_off, 7);
  cr_assert(*sealer.unseal(*blob) == key_of(1));
}

Test(tpm_sealer, submissions_are_bounded) {
  const auto tpm = software_tpm();
  for (const TSS2_RC code : {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_NV_RATE}) {
    int submissions = 0;
    TpmSealer sealer(akm::test::faulty_opener(tpm->tcti(),
                                              [&](TPM2_CC command) -> std::optional<TpmFault> {
                                                if (command != TPM2_CC_NV_DefineSpace) return std::nullopt;
                                                ++submissions;
                                                return TpmFault{TpmFault::Kind::respond, code};
                                              }),
                     {kIndex});
    const auto next = sealer.next_incarnation();
    cr_assert(!next);
    cr_assert(next.error().code == Errc::tpm_failed);
    cr_assert_geq(submissions, akm::keyring::kTpmSubmissionsMax);
    cr_assert_leq(submissions, 8 * akm::keyring::kTpmSubmissionsMax, "%d submissions", submissions);
  }
}
Test(tpm_sealer, lockout_is_said_clearly) {
  const auto tpm = software_tpm();
  const auto blob = sealer_at(*tpm).seal(key_of(1));
  cr_assert(blob);
  TpmSealer sealer(akm::test::faulty_opener(tpm->tcti(),
                                            [](TPM2_CC code) -> std::optional<TpmFault> {
                                              if (code != TPM2_CC_Unseal) return std::nullopt;
                                              return TpmFault{TpmFault::Kind::respond, TPM2_RC_LOCKOUT};
                                            }),
                   {kIndex});
  const auto opened = sealer.unseal(*blob);
  cr_assert(!opened);
  cr_assert(opened.error().code == Errc::sealed_unavailable);
  cr_assert(opened.error().detail.find("dictionary-attack lockout") != std::string::npos, "%s",
            opened.error().detail.c_str());
}

Test(tpm_sealer, a_cleared_tpm_is_told_from_another_one) {
  const auto tpm = software_tpm();
  const auto other = software_tpm();
  const auto blob = sealer_at(*tpm).seal(key_of(1));
  cr_assert(blob);
  const auto elsewhere = sealer_at(*other).unseal(*blob);
  cr_assert(elsewhere.error().detail.contains("this is another TPM") &&
                elsewhere.error().detail.contains("swapped"),
            "%s", elsewhere.error().detail.c_str());
  akm::test::clear_owner(*tpm);
  const auto cleared = sealer_at(*tpm).unseal(*blob);
  cr_assert(!cleared);
  cr_assert(cleared.error().detail.contains("this TPM sealed the key") &&
                cleared.error().detail.contains("it was cleared") &&
                cleared.error().detail.contains("provision this machine anew"),
            "%s", cleared.error().detail.c_str());
}

Test(tpm_sealer, the_counter_is_read_under_the_pinned_key_only) {
  const auto tpm = software_tpm();
  const auto other = software_tpm();
  const auto blob = sealer_at(*tpm).seal(key_of(1));
  std::string tcti = tpm->tcti();
  TpmSealer sealer([&tcti] { return TpmContext::open(tcti); }, {kIndex});
  cr_assert(sealer.unseal(*blob));
  cr_assert(sealer.next_incarnation());
  tcti = other->tcti();  // swapped between two commands
  const auto next = sealer.next_incarnation();
  cr_assert(!next && next.error().detail.contains("another TPM"));
}

Test(tpm_sealer, what_is_read_from_the_counter_cannot_be_changed_on_the_way) {
  const auto tpm = software_tpm();
  for (std::size_t octet = 0; octet < 96; octet += 5) {
    TpmSealer sealer(akm::test::faulty_opener(tpm->tcti(),
                                              [&](TPM2_CC code) -> std::optional<TpmFault> {
                                                if (code != TPM2_CC_NV_Read) return std::nullopt;
                                                return TpmFault{.kind = TpmFault::Kind::flip_octet,
                                                                .octet = octet};
                                              }),
                     {kIndex});
    cr_assert(!sealer.next_incarnation(), "octet %zu", octet);
  }
}
