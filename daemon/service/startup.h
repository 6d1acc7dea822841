#pragma once
// From nothing to open state: sealer, storage key, store, incarnation, salt. Runs before the loop, so it may
// block.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/protocol/engine.h"
#include "daemon/service/settings.h"
#include "daemon/store/audit_record.h"
#include "daemon/store/sealed_store.h"
#include "keyring/sealer_factory.h"

namespace akm::service {

/// The first call of main: the environment is settled (the program may start anew), the process is hardened
/// and OpenSSL allocates in the arena, so that no key schedule is in a core file or in swap. wrong_state when
/// OpenSSL was used before.
Status harden(char** argv);

/// What start-up found. Without a store the daemon stays up as `sealed-unavailable`, deletes nothing and says
/// why.
struct OpenedState {
  std::unique_ptr<store::SealedStore> store;         // null: unavailable
  std::optional<Error> failure;                      // why it is
  protocol::Engine::Options engine;                  // incarnation and salt; valid with a store
  std::shared_ptr<const store::AuditKey> audit_key;  // valid with a store
  std::string key_storage;                           // the sealer's description
  bool hardware_protected = false;
  std::vector<std::string> findings;  // one sentence each
};

struct StartNote {
  std::uint32_t missed = 0;  // starts between the last one that this state knows of and this one
  std::string damaged;       // the record of the last start was of no use: what was found and done
};
/// The guard against restored state: refuses (state_corrupt) a start counter that is not above the one of the
/// last start, and stores it.
Result<StartNote> note_start(store::SealedStore& store, std::uint32_t incarnation);

/// Whether open_state() would come through: the key opens, and a record can be stored. Does not count as a
/// start.
Status state_can_be_opened(const Settings& settings);

/// What the configuration says of the sealer.
keyring::SealerOptions sealer_options(const Settings& settings);

/// Never fails: a failure is in the result. Takes the incarnation from the sealer before anything can be
/// sent, and refuses (state_corrupt) when it is not above the one stored at the last start: that is a
/// restored or copied state.
OpenedState open_state(const Settings& settings, RandomSource& random);

}  // namespace akm::service
