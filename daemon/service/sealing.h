#pragma once
// How the storage key is sealed, asked and changed while the daemon runs, with or without its state; and the
// way back to the state. All TPM work is done aside: the loop never waits for a slow TPM.
#include <memory>
#include <optional>

#include "daemon/base/sealing_port.h"
#include "daemon/io/loop.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/second_try.h"
#include "daemon/service/settings.h"
#include "daemon/store/sealed_store.h"
#include "dbus/authorizer.h"
#include "dbus/sealing_adaptor.h"

namespace akm::service {

class Sealing final : public SealingPort {
 public:
  /// `second_try`: where a state that does not open is tried again; told to look once the key was recovered.
  /// `store`: null while the state is not open.
  Sealing(Settings settings, RunAside run_aside, SecondTry* second_try, store::SealedStore* store = nullptr)
      : settings_(std::move(settings)),
        run_aside_(std::move(run_aside)),
        second_try_(second_try),
        store_(store) {}

  void pcrs(Reply<PcrFacts> reply) override;
  void predict(PcrChanges changes, Reply<PcrPrediction> reply) override;
  void authorise(PcrChanges changes, std::vector<std::uint8_t> signature, Done done) override;
  void reseal(SecretBuffer secret, Done done) override;
  void recover(SecretBuffer secret, Done done) override;

 private:
  void change(bool by_recovery, SecretBuffer secret, Done done);
  void note_sealing();

  Settings settings_;
  RunAside run_aside_;
  SecondTry* second_try_;
  store::SealedStore* store_;
};

/// The same on the bus, with the second try where the state did not open.
class SealingService {
 public:
  SealingService(io::Loop& loop, AsideWorker& worker, dbus::Bus& bus, dbus::Authorizer& authorizer,
                 const char* path, const Settings& settings, const std::optional<Error>& failure,
                 store::SealedStore* store, Later later);

 private:
  std::unique_ptr<SecondTry> second_try_;
  Sealing sealing_;
  dbus::SealingAdaptor adaptor_;
};

}  // namespace akm::service
