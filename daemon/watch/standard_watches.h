#pragma once
// Which watches a daemon has, by its settings: the same for a node and for an NMM's machine.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/watch/aside_watch.h"
#include "daemon/watch/coverage.h"
#include "daemon/watch/watch_memory.h"
#include "daemon/watch/watch_settings.h"
#include "daemon/watch/watches.h"
#include "keyring/hardware_identity.h"

namespace akm::watch {

/// What the daemon says of itself. Functions that are null: there is no such thing here.
struct Own {
  std::vector<std::string> paths;  // its state, configuration and program
  std::string program = {};        // where it was started from
  std::string pin_folder = {};     // of the sensor, on bpffs; empty: it pins nothing there
  RunAside run_aside;              // a thread, with the TPM among others
  std::string tcti = {};           // empty: the standard TPM, if there is one
  std::function<Result<keyring::HardwareSources>()> hardware = {};  // on the thread aside
  std::function<bool()> provisioning = {};                          // a drive is expected
  std::function<Tiers()> tiers = {};                                // the sensor's
};

/// With their memory of the last run; on the loop until it goes.
class StandardWatches {
 public:
  /// `store`: null where the state does not open. Nothing here fails: what cannot be looked at is not looked
  /// at.
  StandardWatches(const WatchSettings& settings, Own own, store::SealedStore* store, io::Loop& loop,
                  std::function<Instant()> now, Tell tell);
  StandardWatches(const StandardWatches&) = delete;
  StandardWatches& operator=(const StandardWatches&) = delete;

  [[nodiscard]] const Watches& watches() const { return watches_; }

 private:
  void add_system(const WatchSettings& settings, const Own& own);
  void add_devices(const WatchSettings& settings, const Own& own);
  void add_network(const WatchSettings& settings, const Own& own);
  void add_aside(const WatchSettings& settings, const Own& own);

  WatchMemory memory_;
  Watches watches_;
};

}  // namespace akm::watch
