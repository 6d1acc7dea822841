#pragma once
// From events to the audit log: what is recorded, when it is synchronised and sealed, and what is said when
// the log is not as it was left. Answers on D-Bus (org.akm.Audit1).
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/audit_port.h"
#include "daemon/base/instant.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/event_log.h"
#include "daemon/service/settings.h"
#include "daemon/service/startup.h"
#include "daemon/store/audit_log.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

/// The anchor's record in the sealed store.
inline constexpr std::string_view kAuditRecord = "audit";
/// The log's folder, and that of the state before this one, in the state folder.
std::string audit_folder(const Settings& settings);
std::string former_audit_folder(const Settings& settings);

class AuditTrail final : public AuditPort {
 public:
  struct Parts {
    std::string folder;
    std::string former;                          // where a log that is of another state goes
    std::shared_ptr<const store::AuditKey> key;  // null: there is no state, and no log
    store::SealedStore* store = nullptr;
    EventLog& events;
    std::uint32_t start = 0;    // the incarnation
    bool state_in_use = false;  // it belongs to somebody already, and so had a log
    store::AuditLimits limits = {};
    Duration seal_after = std::chrono::seconds(60);
    RunAside run_aside = {};  // null: on the spot
    std::function<Instant()> now = boottime_now;
  };
  explicit AuditTrail(Parts parts) : parts_(std::move(parts)) {}
  ~AuditTrail() override;
  AuditTrail(const AuditTrail&) = delete;
  AuditTrail& operator=(const AuditTrail&) = delete;

  /// Checks what is there, goes on from it, and hears of events from now on. What is wrong is said, and no
  /// reason not to start.
  void open();
  /// The log was tampered with: evidence of a detection. What open() found is told at once.
  using Impaired = std::function<void(std::map<std::string, std::string> evidence)>;
  void on_impaired(Impaired handler);
  /// The newest incident of a node (its id in hex; "" for the node's own) that the log knows of; 0: none.
  [[nodiscard]] std::uint64_t incident_of(const std::string& node_id) const;
  /// What stands, one sentence each.
  [[nodiscard]] std::vector<std::string> findings() const;
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();
  /// Seals what is there; nothing is recorded afterwards. With `erase` the files go (a golden image).
  void end(bool erase = false);

  // AuditPort
  void verify(Reply<AuditVerdict> reply) override;
  void records(std::uint64_t after, std::uint32_t most, std::uint64_t incident,
               Reply<std::vector<AuditRecord>> reply) override;
  void incidents(std::uint64_t after, std::uint32_t most, Reply<std::vector<IncidentSummary>> reply) override;
  Result<std::vector<std::uint64_t>> check_seals(const std::vector<AuditSeal>& seals) override;

 private:
  /// How many records of one weight a minute may have: a flood of what anybody can cause must not push the
  /// rest out of the files.
  struct Gate {
    std::uint32_t most = 0;
    std::optional<Instant> since = {};
    std::uint32_t count = 0;
    std::uint64_t left_out = 0;
  };

  void note(const EventRecord& event);
  bool let_through(std::uint8_t severity);
  void leave_if_touched();
  bool append(AuditRecord record);
  void tell_gap();
  void make_due(bool critical);
  void failed(const Error& error);
  void seal();
  void remember(const AuditRecord& record);
  void damaged(std::string detail);
  Status open_log();
  Result<std::optional<store::AuditAnchor>> load_anchor();
  Status set_former_aside();
  [[nodiscard]] AuditRecord record_now(std::string name, std::uint8_t severity) const;
  template <typename T>
  void aside(std::move_only_function<Result<T>()> work, Reply<T> reply);
  void verify_again(bool last, Reply<AuditVerdict> reply);

  Parts parts_;
  std::unique_ptr<store::AuditLog> log_;
  std::array<Gate, 3> gates_{Gate{600}, Gate{300}, Gate{240}};  // critical, warning, the rest
  std::optional<Instant> sync_due_;
  std::optional<Instant> seal_due_;
  std::uint64_t lost_ = 0;
  std::optional<Error> failing_;
  std::optional<std::string> damage_;
  std::map<std::string, std::uint64_t> incidents_;
  Impaired impaired_;
};

/// Opened, with its deadlines on the loop. Without a state, or on hardware that it is not bound to, one that
/// records nothing. `opened` has its last store by now.
std::unique_ptr<AuditTrail> make_audit(const Settings& settings, const OpenedState& opened, EventLog& events,
                                       io::Loop& loop, AsideWorker& worker);

}  // namespace akm::service
