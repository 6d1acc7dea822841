#pragma once
// The configuration as data: the database's half of the Root's control port. One thread (the loop's); the
// database has another.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/protocol/asr.h"
#include "daemon/protocol/configure_body.h"
#include "daemon/root/control_port.h"
#include "daemon/root/database_port.h"

namespace akm::root {

/// Rows of one answer on the bus, and about how many bytes of text they may hold together.
inline constexpr std::size_t kAnswerRows = 100;
inline constexpr std::size_t kAnswerBytes = std::size_t{4} * 1024 * 1024;

/// The records that say which policy an NMM has, as read together.
struct PolicyRecords {
  std::map<std::uint64_t, store::Fields> policies;
  std::map<std::uint64_t, std::uint64_t> of_nmm;  // id of the policy record
  std::uint64_t of_domain = 0;                    // 0: none

  bool operator==(const PolicyRecords&) const = default;
};

/// What the records say of the nodes and relationships of each NMM.
struct FleetRecords {
  std::map<std::uint64_t, std::vector<protocol::ExpectedNode>> nodes;
  std::map<std::uint64_t, std::map<protocol::AsrId, std::uint64_t>> policies;  // ids of policy records

  bool operator==(const FleetRecords&) const = default;
};

class Configuration final : public ConfigPort {
 public:
  /// `standard` holds where no record says otherwise.
  Configuration(AskDatabase database, protocol::Policy standard);

  /// Reads what policy_of() needs, unless that was read. A database that is away is asked again when it is
  /// back; each change reads anew by itself.
  void load();
  /// Called on the loop when what policy_of() needs was read first, and when it has become another.
  void on_change(std::function<void()> handler) { changed_ = std::move(handler); }
  /// The same for what of_nmm() needs.
  void on_records(std::function<void()> handler) { records_changed_ = std::move(handler); }
  /// Nodes whose record names this NMM ("nmm", with a "name" and "endpoints"), and the policies that records
  /// of its relationships name ("nmm", "policy").
  [[nodiscard]] protocol::ConfigureRequest of_nmm(std::uint64_t nmm_id) const;
  /// By the record of the policy that the NMM's record names ("policy"), else the domain's, else the standard
  /// one.
  [[nodiscard]] protocol::Policy policy_of(std::uint64_t nmm_id) const;

  void get(Kind kind, std::uint64_t id, Reply<store::ConfigRecord> reply) override;
  void list(Kind kind, std::uint64_t after, Reply<std::vector<store::ConfigRecord>> reply) override;
  /// refused_by_policy for what the Root itself keeps of an NMM (name and endpoints here; serial and state,
  /// which nmms() shows); not_found for an NMM that is not there; invalid_argument for a policy that does not
  /// hold.
  void set(Kind kind, std::uint64_t id, store::Fields changes, std::optional<std::uint64_t> expected_revision,
           const std::string& who, Reply<std::uint64_t> reply) override;
  void remove(Kind kind, std::uint64_t id, const std::string& who, Reply<std::uint64_t> reply) override;
  void history(std::uint64_t after, Reply<std::vector<store::Change>> reply) override;
  void diff(std::uint64_t from, std::uint64_t to, Reply<std::vector<store::FieldDifference>> reply) override;
  /// Records of NMMs stay: they say what is so.
  void rollback(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) override;
  void prune(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) override;
  void reports(Kind kind, std::uint64_t nmm_id, std::uint64_t after_nmm, std::uint64_t after_id,
               Reply<std::vector<store::ReportRow>> reply) override;
  void incidents(std::uint64_t nmm_id, std::uint64_t after,
                 Reply<std::vector<store::IncidentRow>> reply) override;

 private:
  enum class Effect : std::uint8_t { none, changes };
  template <typename T>
  void ask(Effect effect, Reply<T> reply, std::move_only_function<Result<T>(store::ConfigDatabase&)> work);
  struct Known {
    PolicyRecords policies;
    FleetRecords fleet;
  };
  static Result<Known> read(store::ConfigDatabase& database);
  void take(Known known);

  AskDatabase database_;
  protocol::Policy standard_;
  PolicyRecords records_;
  FleetRecords fleet_;
  bool loaded_ = false;
  bool loading_ = false;
  std::function<void()> changed_;
  std::function<void()> records_changed_;
};

}  // namespace akm::root
