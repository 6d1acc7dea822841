#pragma once
// What a Root can be asked from outside (D-Bus). The adaptor knows the role only through this.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/config_database.h"

namespace akm::root {

struct StatusSnapshot {
  std::string state;  // "sealed-unavailable", "database-unavailable", "no-root-secret", "ready"
  std::uint64_t root_id = 0;
  std::string name;
  std::string version;
  std::string key_storage;
  bool hardware_protected = false;
  std::uint32_t incarnation = 0;
  std::string io_backend;
  std::string listen;
  std::string database;        // where the records are; never a password
  std::uint64_t revision = 0;  // of the configuration
  std::vector<std::string> findings;
  std::map<std::string, std::uint64_t> counters;
};

struct NmmSnapshot {
  std::uint64_t nmm_id = 0;
  std::string name;
  std::string state;               // "prepared", "active", "silent"
  std::uint32_t serial = 0;        // of its credentials; grows with each preparation and replacement
  std::string endpoint;            // where it was last heard; empty before
  std::int64_t last_heard_ns = 0;  // since boot; 0: never since the start of the daemon
  std::string version;
  std::uint32_t nodes = 0;  // as reported
  std::uint32_t asrs = 0;   // as reported
};

/// The database's half: configuration with history, and what NMMs reported. Answers come from the database
/// thread.
class ConfigPort {
 public:
  virtual ~ConfigPort() = default;

  using Kind = store::RecordKind;
  virtual void get(Kind kind, std::uint64_t id, Reply<store::ConfigRecord> reply) = 0;
  /// A page: ids above `after`. Empty: the end.
  virtual void list(Kind kind, std::uint64_t after, Reply<std::vector<store::ConfigRecord>> reply) = 0;
  /// Fields that change; an empty value removes its field. The record is made where it is missing. Answers
  /// the revision. busy when `expected_revision` is not that of the record.
  virtual void set(Kind kind, std::uint64_t id, store::Fields changes,
                   std::optional<std::uint64_t> expected_revision, const std::string& who,
                   Reply<std::uint64_t> reply) = 0;
  virtual void remove(Kind kind, std::uint64_t id, const std::string& who, Reply<std::uint64_t> reply) = 0;
  virtual void history(std::uint64_t after, Reply<std::vector<store::Change>> reply) = 0;
  virtual void diff(std::uint64_t from, std::uint64_t to,
                    Reply<std::vector<store::FieldDifference>> reply) = 0;
  virtual void rollback(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) = 0;

  /// Pages, as ConfigDatabase::reports(). kind node or asr.
  virtual void reports(Kind kind, std::uint64_t nmm_id, std::uint64_t after_nmm, std::uint64_t after_id,
                       Reply<std::vector<store::ReportRow>> reply) = 0;
  virtual void incidents(std::uint64_t nmm_id, std::uint64_t after,
                         Reply<std::vector<store::IncidentRow>> reply) = 0;
};

class ControlPort {
 public:
  virtual ~ControlPort() = default;
  [[nodiscard]] virtual StatusSnapshot status() const = 0;
  [[nodiscard]] virtual std::vector<NmmSnapshot> nmms() const = 0;

  /// Draws the root secret of the domain, from which every NMM's credentials are derived or drawn, and the
  /// Root's id. already_exists when there is one.
  virtual void create_root_secret(Done done) = 0;

  struct Prepare {
    std::string nmm_name;
    std::uint64_t nmm_id = 0;                  // of an NMM that stands alone and is adopted; 0: a new id
    std::vector<std::uint8_t> hardware_value;  // 32 bytes; an NMM is always bound
    std::vector<std::string> nmm_endpoints;    // where the NMM reaches and is reached by the Root
  };
  struct Prepared {
    std::uint64_t nmm_id = 0;
    std::string path;  // the bundle that was written
    UniqueFd code;     // sealed memfd with the one-time code: it does not travel on the bus
  };
  /// Writes NMM.akmbundle into `directory`.
  virtual void prepare_nmm(Prepare what, const std::string& directory, const std::string& who,
                           Reply<Prepared> reply) = 0;
  /// Over the bus of the NMM. Answers not_supported: no Root does it yet.
  virtual void provision_nmm(Prepare what, const std::string& bus_address, const std::string& who,
                             Reply<std::uint64_t> reply) = 0;
  /// Credentials for a machine that takes the place of a lost NMM: the same nmm_id, a root secret of its own
  /// beside the former ones, a greater serial, and the node list, so that it reaches every node by its
  /// failsafe chain and the lost one is fenced off. Written as prepare_nmm does. not_found.
  virtual void replace_nmm(std::uint64_t nmm_id, std::vector<std::uint8_t> hardware_value,
                           const std::string& directory, const std::string& who, Reply<Prepared> reply) = 0;
  /// As replace_nmm, over a bus address. Answers not_supported, as provision_nmm.
  virtual void replace_nmm_direct(std::uint64_t nmm_id, const std::string& bus_address,
                                  const std::string& who, Reply<std::uint64_t> reply) = 0;

  [[nodiscard]] virtual ConfigPort& configuration() = 0;
};

}  // namespace akm::root
