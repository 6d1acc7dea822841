#pragma once
// From nothing to open state: sealer, storage key, store, incarnation, salt. Before the loop, and no longer
// than kStartPatience: what a slow TPM or a token still has to say then comes later (second_try.h).
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/base/result.h"
#include "daemon/protocol/engine.h"
#include "daemon/service/patience.h"
#include "daemon/service/settings.h"
#include "daemon/service/start_handover.h"
#include "daemon/store/audit_record.h"
#include "daemon/store/sealed_store.h"
#include "keyring/sealer_factory.h"

namespace akm::service {

/// The first call of main: the environment is settled (the program may start anew), the process is hardened
/// and OpenSSL allocates in the arena, so that no key schedule is in a core file or in swap. wrong_state when
/// OpenSSL was used before.
Status harden(char** argv);

/// A TPM that is in order takes one or two seconds for all that a start asks of it.
inline constexpr Duration kStartPatience = std::chrono::seconds(5);

/// All that asks a secure element, and what must be known before a start is counted.
struct Opened {
  OpenedKey key;  // with a failure: what was found out of it
  std::unique_ptr<store::SealedStore> store;
  std::optional<Error> failure;
  bool handed_over = false;  // by the start before, which it took too long
};

/// What is still to be tried, or under way, when a start has no state.
struct Later {
  std::shared_ptr<Awaited<Opened>> opening;          // null: none is under way
  std::optional<keyring::HardwareOptions> hardware;  // collected with it
};

/// What start-up found. Without a store the daemon stays up as `sealed-unavailable`, deletes nothing and says
/// why.
struct OpenedState {
  std::unique_ptr<store::SealedStore> store;         // null: unavailable
  std::optional<Error> failure;                      // why it is
  protocol::Engine::Options engine;                  // incarnation and salt; valid with a store
  std::uint32_t counted = 0;                         // the sealer's count, of which the incarnation is made
  std::shared_ptr<const store::AuditKey> audit_key;  // valid with a store
  std::string key_storage;                           // the sealer's description
  bool hardware_protected = false;
  std::vector<std::string> findings;  // one sentence each
  /// Where it was asked for and the state is open; none: it could not be had, or is still to be collected.
  std::optional<keyring::HardwareSources> hardware;
  bool handed_over_failure = false;  // of a start that took too long: the TPM is slow, and does not open
  Later later;
};

struct StartNote {
  std::uint32_t missed = 0;  // starts between the last one that this state knows of and this one
  std::string damaged;       // the record of the last start was of no use: what was found and done
};
/// The guard against restored state: refuses (state_corrupt) a start counter that is not above the one of the
/// last start, and stores it.
Result<StartNote> note_start(store::SealedStore& store, std::uint32_t incarnation);

/// For the start after this one: the key opens, a record can be stored, and that start is counted. Blocks.
Result<OpenedKey> open_for_next_start(const Settings& settings,
                                      const std::optional<keyring::HardwareOptions>& hardware);

/// What the configuration says of the sealer.
keyring::SealerOptions sealer_options(const Settings& settings);

/// Never fails: a failure is in the result. Takes the incarnation from the sealer before anything can be
/// sent, and refuses (state_corrupt) when it is not above the one stored at the last start: that is a
/// restored or copied state. `hardware`: is collected too. What the start before has handed over is used.
OpenedState open_state(const Settings& settings, RandomSource& random,
                       const std::optional<keyring::HardwareOptions>& hardware = std::nullopt,
                       Duration patience = kStartPatience);

}  // namespace akm::service
