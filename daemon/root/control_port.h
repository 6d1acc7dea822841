#pragma once
// What a Root can be asked from outside (D-Bus). The adaptor knows the role only through this.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/base/direct_offer.h"
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
  std::string database;         // where the records are; never a password
  std::uint64_t revision = 0;   // of the configuration
  std::uint64_t pruned_to = 0;  // of its history: one can go back to this revision, and not before
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
  /// Drops the history up to `revision`, which is below the present one; how many rows that were. What is
  /// left can be verified as before; nothing goes back to before it.
  virtual void prune(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) = 0;

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
    /// Of a lost NMM whose place this machine takes (see replace_nmm): name and endpoints are its, then.
    std::uint64_t replaces = 0;
  };
  struct Prepared {
    std::uint64_t nmm_id = 0;
    std::string path;  // the bundle that was written
    UniqueFd code;     // sealed memfd with the one-time code: it does not travel on the bus
  };
  /// Writes NMM.akmbundle into `directory`.
  virtual void prepare_nmm(Prepare what, const std::string& directory, const std::string& who,
                           Reply<Prepared> reply) = 0;
  struct PreparedOnToken {
    std::uint64_t nmm_id = 0;
    std::string token;    // which one it is on, for people
    bool sealed = false;  // with a key on the token; else the PIN alone keeps it
  };
  /// Writes the credentials to a PKCS#11 token (RFC 7512 URI) with its PIN in a sealed memfd.
  virtual void prepare_nmm_on_token(Prepare what, const std::string& uri, UniqueFd pin,
                                    const std::string& who, Reply<PreparedOnToken> reply) = 0;
  struct PreparedForTpm {
    std::uint64_t nmm_id = 0;
    std::string path;
    std::string fingerprint;  // SHA-256 of the identity, 64 hex digits
    std::string digest;       // of the bundle, the same
    bool certified = false;   // a vendor's certificate says that the endorsement key is one of a TPM
    std::string certificate;  // whose it is, or why it does not count
  };
  /// A bundle that only the TPM of this identity (what `akmctl nmm identity --out` wrote) opens, without a
  /// code.
  virtual void prepare_nmm_for_tpm(Prepare what, std::vector<std::uint8_t> identity, const std::string& place,
                                   const std::string& who, Reply<PreparedForTpm> reply) = 0;
  using DirectOffer = akm::DirectOffer;
  /// Calls org.akm.Nmm1 at `bus_address` (sd-bus address syntax): what the machine says of itself. An id that
  /// it has already, of one that stands alone, is adopted.
  virtual void begin_direct(Prepare what, const std::string& bus_address, const std::string& who,
                            Reply<DirectOffer> reply) = 0;
  /// Hands the credentials over, once the fingerprint is confirmed.
  virtual void confirm_direct(std::uint64_t handle, const std::string& fingerprint,
                              Reply<std::uint64_t> reply) = 0;
  /// Both at once; refused_by_policy where an operator has to compare (direct.confirm).
  virtual void provision_nmm(Prepare what, const std::string& bus_address, const std::string& who,
                             Reply<std::uint64_t> reply) = 0;
  /// Credentials for a machine that takes the place of a lost NMM: the same nmm_id, a root secret of its own
  /// beside the former ones, a greater serial, and the node list, so that it reaches every node by its
  /// failsafe chain and the lost one is fenced off. Written as prepare_nmm does. not_found.
  virtual void replace_nmm(std::uint64_t nmm_id, std::vector<std::uint8_t> hardware_value,
                           const std::string& directory, const std::string& who, Reply<Prepared> reply) = 0;
  /// As replace_nmm, over the bus of the new machine; as provision_nmm.
  virtual void replace_nmm_direct(std::uint64_t nmm_id, const std::string& bus_address,
                                  const std::string& who, Reply<std::uint64_t> reply) = 0;

  [[nodiscard]] virtual ConfigPort& configuration() = 0;
};

}  // namespace akm::root
