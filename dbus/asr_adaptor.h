#pragma once
// org.akm.Asr1: the relationships of a role as objects under its ObjectManager.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/node/control_port.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"

namespace akm::dbus {

class AsrAdaptor {
 public:
  struct Source {
    std::function<std::vector<AsrSnapshot>()> asrs;
    std::function<void(std::uint64_t asr_id, Done done)> rekey;
    /// None where the role has no keys to give.
    std::function<Result<std::int32_t>(const node::ControlPort::KeyExport&, const Caller&)> export_key = {};
    std::function<Status(std::uint64_t asr_id, std::int32_t serial, const Caller&)> release_key = {};
  };
  /// `root`: "/org/akm/Node1" or "/org/akm/Nmm1".
  AsrAdaptor(Bus& bus, Authorizer& authorizer, std::string root, Source source);

  /// The relationship was added, removed or changed; what came of it is signalled at the next Bus::flush().
  void changed(std::uint64_t asr_id) { dirty_.insert(asr_id); }
  /// Signals KeyRenewed or KeyRevoked.
  void key_changed(std::uint64_t asr_id, const ExportedKey& key, bool revoked);
  [[nodiscard]] std::string path_of(std::uint64_t asr_id) const;

 private:
  struct Vtable;
  const AsrSnapshot* find(const char* path);
  const std::map<std::uint64_t, AsrSnapshot>& current();
  Status export_on(sd_bus* bus);
  void flush();
  void announce(std::uint64_t asr_id);
  Result<Action> rekey(const char* path);
  Result<CallerAction> export_key(sd_bus_message* message);
  Result<CallerAction> release_key(sd_bus_message* message);

  Bus& bus_;
  Authorizer& authorizer_;
  std::string root_;
  Source source_;
  std::map<std::uint64_t, AsrSnapshot> announced_;  // what callers were told
  std::map<std::uint64_t, AsrSnapshot> fresh_;      // taken for the present message
  std::uint64_t fresh_for_ = 0;
  const AsrSnapshot* removing_ = nullptr;  // while its InterfacesRemoved is made
  std::set<std::uint64_t> dirty_;
};

}  // namespace akm::dbus
