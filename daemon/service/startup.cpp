#include "daemon/service/startup.h"

#include <algorithm>
#include <array>

#include "daemon/base/atomic_file.h"
#include "daemon/base/cursor.h"
#include "daemon/base/loader_environment.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/crypto/openssl_memory.h"
#include "daemon/service/erase_state.h"
#include "daemon/service/pcr_record.h"
#include "daemon/service/scheduling.h"
#include "daemon/service/state_format.h"
#include "keyring/sealed_key.h"
#include "keyring/sealer_factory.h"
#include "keyring/tpm_attestor.h"
#include "keyring/tpm_policy.h"

namespace akm::service {
namespace {

constexpr std::string_view kStartRecord = "start";
constexpr std::size_t kStartRecordBytes = 4;
constexpr std::string_view kRootRecord = "storage-root";
constexpr std::string_view kProbeRecord = "space";
constexpr std::size_t kProbeBytes = 8192;  // a start stores little; what follows stores more

}  // namespace

keyring::SealerOptions sealer_options(const Settings& settings) {
  keyring::SealerOptions out;
  switch (settings.sealing) {
    case SealingChoice::automatic:
      out.mode = keyring::SealerMode::automatic;
      break;
    case SealingChoice::tpm:
      out.mode = keyring::SealerMode::tpm;
      break;
    case SealingChoice::software:
      out.mode = keyring::SealerMode::software;
      break;
    case SealingChoice::token:
      out.mode = keyring::SealerMode::token;
      break;
  }
  if (!settings.tcti.empty()) out.tcti = settings.tcti;
  out.nv_index = settings.nv_index;
  out.state_folder = settings.state_folder;
  out.allow_software = settings.allow_software;
  out.token = {{settings.pkcs11_module, settings.token_uri}, settings.pin_file};
  return out;
}

namespace {

void find(OpenedState& out, std::string sentence) {
  log::write(log::Level::warning, message_id::kStateDoubtful, sentence);
  out.findings.push_back(std::move(sentence));
}

// What the key is sealed to against what the configuration wants: an operator's secret is needed to change
// it.
void compare_pcrs(const Settings& settings, std::uint32_t sealed, OpenedState& out) {
  if (sealed != 0) out.key_storage += ", sealed to PCR " + pcr_list(sealed);
  const auto wanted = keyring::pcr_mask(settings.pcrs);
  if (!wanted || *wanted == sealed) return;
  const std::string now = sealed == 0 ? "to no PCR" : "to PCR " + pcr_list(sealed);
  const std::string then = *wanted == 0 ? "none" : pcr_list(*wanted);
  find(out, "The storage key is sealed " + now + ", and sealing.pcrs says " + then +
                ": run akmctl node reseal (akmctl nmm reseal)");
}

// kek.sealed names the key that sessions with the TPM are salted with, and nothing but this record, which is
// under the storage key, tells whether it is still the one of the first start.
Status compare_root(const keyring::SealedBlob& blob, OpenedState& out) {
  const auto record = out.store->read(kRootRecord);
  if (!record && record.error().code == Errc::not_found) return out.store->write(kRootRecord, blob.parent);
  if (record && std::ranges::equal(record->reveal(), blob.parent)) return {};
  find(out,
       "The TPM key that kek.sealed names is not the one of the first start: somebody has changed that file, "
       "and "
       "may have listened between the TPM and the processor. Look at the machine; then zeroize and provision "
       "it "
       "anew");
  return {};
}

void look_at_sealing(const Settings& settings, OpenedState& out) {
  const auto blob = keyring::stored_blob(settings.state_folder);
  if (!blob || blob->kind != keyring::SealerKind::tpm) return;
  compare_pcrs(settings, blob->pcr_mask, out);
  // A disk that takes no record is noticed by what comes next.
  (void)compare_root(*blob, out);
}

Status open_key(const Settings& settings, RandomSource& random,
                const std::optional<keyring::HardwareOptions>& hardware, bool probe, Opened& out) {
  // Only the last folder of the path is made: what is above it is the packager's or the operator's.
  AKM_TRY(make_folder(settings.state_folder));
  AKM_TRY(take_off_mark(settings));
  AKM_ASSIGN(std::unique_ptr<keyring::Sealer> sealer, keyring::make_sealer(sealer_options(settings)));
  out.key.kind = sealer->kind();
  out.key.description = sealer->description();
  AKM_ASSIGN(out.key.key, keyring::open_storage_key(*sealer, settings.state_folder));
  out.key.description = sealer->description();  // a token is known by now
  AKM_ASSIGN(out.store, store::SealedStore::open(records_folder(settings), out.key.key, random));
  AKM_TRY(migrate_state(*out.store));  // before anything is written, and the start is counted
  if (const auto blob = keyring::stored_blob(settings.state_folder)) {
    AKM_TRY(check_pcrs(*out.store, blob->pcr_mask));
  }
  AKM_TRY(take_up_records(settings, *out.store));
  if (probe) {
    AKM_TRY(out.store->write(kProbeRecord, std::vector<std::uint8_t>(kProbeBytes)));
    AKM_TRY(out.store->remove(kProbeRecord));
  }
  AKM_ASSIGN(out.key.incarnation, sealer->next_incarnation());
  if (!hardware) return {};
  // Where that fails, who needs it tries again, and says why.
  if (auto sources = keyring::collect_hardware_sources(*hardware)) out.key.hardware = std::move(*sources);
  return {};
}

Opened opened_key(const Settings& settings, RandomSource& random,
                  const std::optional<keyring::HardwareOptions>& hardware, bool probe) {
  Opened out;
  if (const Status status = open_key(settings, random, hardware, probe, out); !status) {
    out.store.reset();
    out.failure = status.error();
  }
  return out;
}

/// What the start before has found out.
Opened opened_before(const Settings& settings, RandomSource& random, Result<OpenedKey> found) {
  Opened out;
  out.handed_over = true;
  if (!found) {
    out.failure = found.error();
    return out;
  }
  auto store = store::SealedStore::open(records_folder(settings), found->key, random);
  if (store) out.store = std::move(*store);
  if (!store) out.failure = store.error();
  out.key = std::move(*found);
  return out;
}

Error slow(const Settings& settings, Duration patience) {
  const char* element = settings.sealing == SealingChoice::token ? "token" : "TPM";
  return {Errc::sealed_unavailable,
          std::string("the ") + element + " is slow: it has not done within " +
              std::to_string(std::chrono::ceil<std::chrono::seconds>(patience).count()) +
              " s what a start needs of it. Nothing is to be done: the daemon waits for it, and then starts "
              "with its state"};
}

/// On a thread of its own, which may go on when nobody waits any more: it has nothing of the caller's.
Opened open_in_time(const Settings& settings, RandomSource& random, Later& later, Duration patience) {
  if (auto found = take_over()) return opened_before(settings, random, std::move(*found));
  const auto opening = Awaited<Opened>::start([settings, hardware = later.hardware] {
    static SystemRandom of_thread;
    return opened_key(settings, of_thread, hardware, false);
  });
  Opened out;
  if (!opening) {
    out.failure = opening.error();
    return out;
  }
  if (auto opened = (*opening)->wait_for(patience)) return std::move(*opened);
  later.opening = *opening;
  out.failure = slow(settings, patience);
  return out;
}

Status open_all(const Settings& settings, RandomSource& random, OpenedState& out, Duration patience) {
  Opened opened = open_in_time(settings, random, out.later, patience);
  out.key_storage = opened.key.description;
  out.hardware_protected =
      !opened.key.description.empty() && opened.key.kind != keyring::SealerKind::software;
  out.handed_over_failure = opened.failure && opened.handed_over;
  if (opened.failure) return std::unexpected(*opened.failure);
  AKM_ASSIGN(store::AuditKey audit_key, store::AuditKey::derive(opened.key.key));
  out.audit_key = std::make_shared<const store::AuditKey>(std::move(audit_key));
  out.store = std::move(opened.store);
  out.hardware = std::move(opened.key.hardware);
  if (const Status erased = keyring::erase_replaced(settings.state_folder); !erased) {
    find(out, "The kek.sealed that was replaced is there still, and opens: remove " + settings.state_folder +
                  "/" + keyring::kReplacedKeyFile + " (" + erased.error().message() + ")");
  }
  out.engine.incarnation = out.counted = opened.key.incarnation;
  AKM_ASSIGN(out.engine.salt, random_u32(random));
  AKM_ASSIGN(const StartNote note, note_start(*out.store, out.engine.incarnation));
  const std::string_view counting = opened.key.kind == keyring::SealerKind::token ? "token" : "TPM";
  if (note.missed > 0 && out.hardware_protected) {
    find(out, "This state is perhaps an older copy: the " + std::string(counting) + " has counted " +
                  std::to_string(note.missed) +
                  " starts that it does not know of (restored, or starts that could not store). Newer keys "
                  "come from "
                  "the other members and the NMM; if you restored nothing, look into who did");
  }
  if (!note.damaged.empty()) find(out, note.damaged);
  look_at_sealing(settings, out);
  return {};
}

}  // namespace

Result<StartNote> note_start(store::SealedStore& store, std::uint32_t incarnation) {
  StartNote out;
  const auto record = store.read(kStartRecord);
  if (record && record->size() == kStartRecordBytes) {
    Reader reader(record->reveal());
    const std::uint32_t last = reader.u32();
    if (incarnation <= last) {
      return fail(
          Errc::state_corrupt,
          "the start counter went back from " + std::to_string(last) + " to " + std::to_string(incarnation) +
              ": this state or the counter was restored or copied; put the newest state back, or move "
              "the state folder away and provision again");
    }
    out.missed = incarnation - last - 1;
  } else if (record || record.error().code == Errc::state_corrupt) {
    // It guards against an honest mistake: whoever can damage it could also remove it.
    const Error why = record ? Error{Errc::state_corrupt, std::string(kStartRecord)} : record.error();
    const auto kept = store.set_aside(kStartRecord);
    out.damaged = why.message() + (kept ? ", as " + *kept : "") +
                  "; whether this state is an older copy is not known of this start";
  } else if (record.error().code != Errc::not_found) {
    return std::unexpected(record.error());
  }
  std::array<std::uint8_t, kStartRecordBytes> bytes{};
  Writer writer(bytes);
  writer.u32(incarnation);
  AKM_TRY(store.write(kStartRecord, writer.written()));
  return out;
}

Result<OpenedKey> open_for_next_start(const Settings& settings,
                                      const std::optional<keyring::HardwareOptions>& hardware) {
  SystemRandom random;
  Opened opened = opened_key(settings, random, hardware, true);
  if (opened.failure) return std::unexpected(*opened.failure);
  return std::move(opened.key);
}

OpenedState open_state(const Settings& settings, RandomSource& random,
                       const std::optional<keyring::HardwareOptions>& hardware, Duration patience) {
  OpenedState out;
  out.later.hardware = hardware;
  if (const Status first = run_before_others(settings.realtime_priority); !first) {
    out.findings.push_back("A busy machine holds up detections: " + first.error().message());
    log::write(log::Level::warning, {}, out.findings.back());
  }
  if (const Status opened = open_all(settings, random, out, patience); !opened) {
    out.store.reset();
    out.failure = opened.error();
    out.findings.push_back(opened.error().message());
    log::write(log::Level::critical, message_id::kSealedUnavailable, opened.error().message(),
               {{"AKM_ERROR", std::string(errc_name(opened.error().code))}});
    return out;
  }
  if (!out.hardware_protected) {
    out.findings.emplace_back("Keys are sealed in software: whoever copies the disk can open them");
    // Who writes to the disk before a TPM has sealed anything could have put it there.
    if (settings.sealing == SealingChoice::automatic && keyring::tpm_is_expected(settings.tcti))
      out.findings.back() +=
          ". There should be a TPM, and kek.sealed was made without: zeroize the node and provision it anew";
    log::write(log::Level::warning, message_id::kSealingInSoftware, out.findings.back());
  }
  return out;
}

Status harden(char** argv) {
  AKM_TRY(settle_environment(argv));
  AKM_TRY(harden_process());
  return crypto::use_arena_for_openssl();
}

}  // namespace akm::service
