// A TPM that misbehaves at its n-th answer, for every n of provisioning and of a start: no crash, no key or
// number from an altered answer, nothing lost on the disk, nothing left in the TPM. Rekeys have no TPM
// command at all (tests/integration/test_tpm_ways_out.py).
#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "keyring/sealer_factory.h"
#include "keyring/tpm_policy.h"
#include "keyring/tpm_sealer.h"
#include "tests/support/faulty_tcti.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tpm_bench.h"

using namespace akm;
using namespace akm::keyring;
using namespace akm::test;

namespace {

using Bytes = std::vector<std::uint8_t>;
const Bytes kSecret(20, 's');

std::vector<TpmFault> all_faults() {
  using Kind = TpmFault::Kind;
  std::vector<TpmFault> out{{.kind = Kind::respond, .response = TPM2_RC_FAILURE},
                            {.kind = Kind::respond, .response = TPM2_RC_LOCKOUT},
                            {.kind = Kind::respond, .response = TPM2_RC_INITIALIZE},
                            {.kind = Kind::respond, .response = TPM2_RC_HANDLE | TPM2_RC_1},
                            {.kind = Kind::respond, .response = TPM2_RC_SUCCESS},
                            {.kind = Kind::transmit_error},
                            {.kind = Kind::receive_error},
                            {.kind = Kind::cut_short},
                            {.kind = Kind::flip_last_bit},
                            {.kind = Kind::delay}};
  for (const std::size_t octet : {1U, 5U, 9U, 13U, 17U, 24U, 40U, 61U, 90U, 131U}) {
    out.push_back({.kind = Kind::flip_octet, .octet = octet});
  }
  return out;
}

// One run of `work` for each n, until a run is over before its n-th command. `look` is called after each.
template <typename Work, typename Look>
int at_every_command(const SwTpm& tpm, const TpmFault& fault, Work work, Look look) {
  for (int at = 1;; ++at) {
    TpmTraffic traffic;
    bool hit = false;
    const auto open = faulty_opener(
        tpm.tcti(),
        [&](TPM2_CC) -> std::optional<TpmFault> {
          if (traffic.commands + 1 != at) return std::nullopt;
          hit = true;
          return fault;
        },
        &traffic);
    work(open);
    look(traffic, at);
    // An object whose very answer was spoilt is not known to us; whatever else was made is flushed, and so
    // are all when the TPM itself said no.
    // An answer that was made up is as lost as one that was spoilt.
    const bool made_up = fault.kind == TpmFault::Kind::respond && fault.response == TPM2_RC_SUCCESS;
    const bool answer_lost =
        made_up || (fault.kind != TpmFault::Kind::respond && fault.kind != TpmFault::Kind::delay);
    cr_assert_leq(traffic.left_behind, answer_lost ? 1 : 0, "fault %d at command %d (0x%x) left %d",
                  static_cast<int>(fault.kind), at, traffic.last_fault, traffic.left_behind);
    cr_assert_eq(handles_left(tpm), 0);
    if (!hit) return at - 1;
    cr_assert_lt(at, 200);
  }
}

}  // namespace

Test(tpm_faults, provisioning, .timeout = 250) {
  const auto tpm = software_tpm();
  for (const TpmFault& fault : all_faults()) {
    std::unique_ptr<TemporaryFolder> folder;
    Result<StorageKey> made = fail(Errc::internal);
    const int commands = at_every_command(
        *tpm, fault,
        [&](const TpmOpener& open) {
          folder = std::make_unique<TemporaryFolder>();
          TpmSealer sealer(open, {kCounterIndex});
          made = open_storage_key(sealer, folder->path());
        },
        [&](const TpmTraffic&, int at) {
          const bool stored = std::filesystem::exists(folder->file(kSealedKeyFile));
          cr_assert_eq(stored, made.has_value(), "fault %d at %d", static_cast<int>(fault.kind), at);
          if (!made) return;
          TpmSealer sealer(tpm_opener(tpm->tcti()), {kCounterIndex});
          const auto again = open_storage_key(sealer, folder->path());
          cr_assert(again && *again == *made, "fault %d at %d stored what does not open",
                    static_cast<int>(fault.kind), at);
        });
    cr_assert_gt(commands, 12);
  }
}

Test(tpm_faults, start, .timeout = 250) {
  const auto tpm = software_tpm();
  TpmSealer whole(tpm_opener(tpm->tcti()), {kCounterIndex});
  const Bytes blob = *whole.seal(key_of(1));
  std::uint32_t last = *whole.next_incarnation();
  for (const TpmFault& fault : all_faults()) {
    Result<std::uint32_t> next = fail(Errc::internal);
    const int commands = at_every_command(
        *tpm, fault,
        [&](const TpmOpener& open) {
          TpmSealer sealer(open, {kCounterIndex});
          (void)sealer.probe();
          const auto key = sealer.unseal(blob);
          cr_assert(key ? *key == key_of(1) : key.error().code == Errc::sealed_unavailable);
          next = key ? sealer.next_incarnation() : fail(Errc::internal);
        },
        [&](const TpmTraffic&, int at) {
          if (!next) return;
          // The true value, not one that somebody made of it: those of the failed runs are passed over.
          cr_assert(*next > last && *next - last < 64, "fault %d at %d: %u after %u",
                    static_cast<int>(fault.kind), at, *next, last);
          last = *next;
        });
    cr_assert_gt(commands, 15);
    const auto after = whole.next_incarnation();
    cr_assert(after && *after > last);
    last = *after;
    cr_assert(*whole.unseal(blob) == key_of(1));
  }
  cr_assert_eq(lockout_counter(*tpm), 0);
}

Test(tpm_faults, sealing_to_pcrs_and_the_ways_out_of_it, .timeout = 250) {
  const auto tpm = software_tpm();
  extend_pcr(*tpm, ESYS_TR_PCR7);
  TpmSealer whole(tpm_opener(tpm->tcti()), {kCounterIndex});
  using Kind = TpmFault::Kind;
  for (const TpmFault& fault :
       {TpmFault{.kind = Kind::respond, .response = TPM2_RC_FAILURE}, TpmFault{.kind = Kind::cut_short},
        TpmFault{.kind = Kind::flip_last_bit}, TpmFault{.kind = Kind::flip_octet, .octet = 30}}) {
    Result<Bytes> sealed = fail(Errc::internal);
    const int commands = at_every_command(
        *tpm, fault,
        [&](const TpmOpener& open) {
          TpmSealer sealer(open, {kCounterIndex});
          sealed = sealer.seal_to_pcrs(key_of(1), {1U << 7, {}}, kSecret);
        },
        [&](const TpmTraffic&, int at) {
          if (!sealed) return;
          const auto opened = whole.unseal(*sealed);
          const auto recovered = whole.recover(*sealed, kSecret);
          cr_assert(opened && *opened == key_of(1) && recovered && *recovered == key_of(1), "fault %d at %d",
                    static_cast<int>(fault.kind), at);
        });
    cr_assert_gt(commands, 25);
  }
}
