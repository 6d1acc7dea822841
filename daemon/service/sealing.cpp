#include "daemon/service/sealing.h"

#include <utility>

#include "daemon/base/atomic_file.h"
#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/service/pcr_record.h"
#include "keyring/policy_key.h"
#include "keyring/sealed_key.h"
#include "keyring/sealer_factory.h"
#include "keyring/tpm_policy.h"
#include "keyring/unseal_policy.h"

namespace akm::service {
namespace {

keyring::TpmSealer sealer_for(const Settings& settings) {
  const std::string tcti = settings.tcti.empty() ? keyring::kDefaultTcti : settings.tcti;
  return {keyring::tpm_opener(tcti), keyring::TpmSealerOptions{settings.nv_index}};
}

// As the configuration says it now.
Result<keyring::PcrBinding> binding_of(const Settings& settings) {
  keyring::PcrBinding out;
  AKM_ASSIGN(out.mask, keyring::pcr_mask(settings.pcrs));
  if (settings.policy_key.empty() || out.mask == 0) return out;
  AKM_ASSIGN(const auto pem, read_file(settings.policy_key, keyring::kPolicyKeyFileMaxBytes));
  AKM_ASSIGN(out.policy_key,
             keyring::policy_key_of_pem({reinterpret_cast<const char*>(pem.data()), pem.size()}));
  return out;
}

Result<keyring::SealedBlob> bound_blob(const Settings& settings) {
  AKM_ASSIGN(keyring::SealedBlob blob, keyring::stored_blob(settings.state_folder));
  if (blob.pcr_mask == 0) return fail(Errc::wrong_state, "the storage key is not sealed to PCRs");
  return blob;
}

Result<std::vector<std::uint8_t>> changed_values(const Settings& settings, const keyring::SealedBlob& blob,
                                                 const PcrChanges& changes) {
  AKM_ASSIGN(auto values, sealer_for(settings).present_pcrs(blob.pcr_mask));
  std::size_t known = 0;
  std::size_t offset = 0;
  for (std::uint32_t pcr = 0; pcr < keyring::kPcrCount; ++pcr) {
    if ((blob.pcr_mask >> pcr & 1) == 0) continue;
    if (const auto change = changes.find(pcr); change != changes.end()) {
      if (change->second.size() != keyring::kPcrValueBytes) {
        return fail(Errc::invalid_argument, "a value of a PCR has 32 bytes");
      }
      std::ranges::copy(change->second, values.begin() + static_cast<std::ptrdiff_t>(offset));
      ++known;
    }
    offset += keyring::kPcrValueBytes;
  }
  if (known != changes.size())
    return fail(Errc::invalid_argument, "the key is not sealed to one of these PCRs");
  return values;
}

Result<PcrFacts> facts(const Settings& settings) {
  AKM_ASSIGN(const keyring::SealedBlob blob, keyring::stored_blob(settings.state_folder));
  PcrFacts out;
  out.mask = blob.pcr_mask;
  if (out.mask == 0) return out;
  AKM_TRY(keyring::check_recorded_values(blob));
  out.sealed = blob.pcr_values;
  AKM_ASSIGN(out.present, sealer_for(settings).present_pcrs(blob.pcr_mask));
  out.authorised = static_cast<std::uint32_t>(blob.authorised.size());
  out.policy_key = !blob.policy_key.empty();
  return out;
}

Result<PcrPrediction> prediction(const Settings& settings, const PcrChanges& changes) {
  AKM_ASSIGN(const keyring::SealedBlob blob, bound_blob(settings));
  PcrPrediction out;
  AKM_ASSIGN(out.values, changed_values(settings, blob, changes));
  out.to_sign = keyring::bytes_to_sign(blob.pcr_mask, out.values);
  return out;
}

Status authorised(const Settings& settings, const PcrChanges& changes,
                  const std::vector<std::uint8_t>& signature) {
  AKM_ASSIGN(const keyring::SealedBlob blob, bound_blob(settings));
  AKM_ASSIGN(const auto values, changed_values(settings, blob, changes));
  keyring::TpmSealer sealer = sealer_for(settings);
  return keyring::SealedKey(sealer, settings.state_folder).authorise(values, signature);
}

// With a state that is not open, its record of the PCRs is opened with the key that was had.
Status lower_in_closed(const Settings& settings, const keyring::StorageKey& key, std::uint32_t mask) {
  SystemRandom random;
  AKM_ASSIGN(const auto store, store::SealedStore::open(records_folder(settings), key, random));
  return lower_pcrs(*store, mask);
}

Status changed(const Settings& settings, bool by_recovery, const SecretBuffer& secret, bool closed) {
  AKM_ASSIGN(const keyring::PcrBinding binding, binding_of(settings));
  keyring::TpmSealer sealer = sealer_for(settings);
  keyring::SealedKey::BeforeReplacing before;
  if (closed) {
    before = [&](const keyring::StorageKey& opened) {
      return lower_in_closed(settings, opened, binding.mask);
    };
  }
  keyring::SealedKey key(sealer, settings.state_folder, before);
  return by_recovery ? key.recover(binding, secret.reveal()) : key.reseal(binding, secret.reveal());
}

}  // namespace

void Sealing::pcrs(Reply<PcrFacts> reply) {
  reply_aside<PcrFacts>(run_aside_, [settings = settings_] { return facts(settings); }, std::move(reply));
}

void Sealing::predict(PcrChanges changes, Reply<PcrPrediction> reply) {
  reply_aside<PcrPrediction>(
      run_aside_,
      [settings = settings_, changes = std::move(changes)] { return prediction(settings, changes); },
      std::move(reply));
}

void Sealing::authorise(PcrChanges changes, std::vector<std::uint8_t> signature, Done done) {
  reply_aside<void>(
      run_aside_,
      [settings = settings_, changes = std::move(changes), signature = std::move(signature)] {
        return authorised(settings, changes, signature);
      },
      std::move(done));
}

void Sealing::change(bool by_recovery, SecretBuffer secret, Done done) {
  // Before the file: a crash between the two must not leave a record that refuses it.
  const auto wanted = keyring::pcr_mask(settings_.pcrs);
  if (store_ != nullptr && wanted) {
    if (const Status lowered = lower_pcrs(*store_, *wanted); !lowered) return done(lowered);
  }
  reply_aside<void>(
      run_aside_,
      [settings = settings_, by_recovery, secret = std::move(secret), closed = store_ == nullptr] {
        return changed(settings, by_recovery, secret, closed);
      },
      [this, done = std::move(done)](const Status& status) mutable {
        note_sealing();
        done(status);
        if (status && second_try_ != nullptr) second_try_->soon();
      });
}

// Also after a failure: what was lowered for it is what the file says again.
void Sealing::note_sealing() {
  if (store_ == nullptr) return;  // the next start does it
  const auto blob = keyring::stored_blob(settings_.state_folder);
  if (!blob) return;
  if (const Status noted = note_pcrs(*store_, blob->pcr_mask); !noted)
    log::error("to which PCRs the storage key is sealed is not recorded until the next start: " +
               noted.error().message());
}

void Sealing::reseal(SecretBuffer secret, Done done) {
  change(false, std::move(secret), std::move(done));
}

void Sealing::recover(SecretBuffer secret, Done done) {
  change(true, std::move(secret), std::move(done));
}

SealingService::SealingService(io::Loop& loop, AsideWorker& worker, dbus::Bus& bus,
                               dbus::Authorizer& authorizer, const char* path, const Settings& settings,
                               const std::optional<Error>& failure, store::SealedStore* store, Later later)
    : second_try_(failure && may_pass(failure->code)
                      ? std::make_unique<SecondTry>(
                            loop, settings,
                            [&worker](keyring::TpmWorker::Job job) { return worker.run(std::move(job)); },
                            std::move(later))
                      : nullptr),
      sealing_(
          settings, [&worker](keyring::TpmWorker::Job job) { return worker.run(std::move(job)); },
          second_try_.get(), store),
      adaptor_(bus, authorizer, path, sealing_) {}

}  // namespace akm::service
