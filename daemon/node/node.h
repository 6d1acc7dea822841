#pragma once
// The node's role: its states (section 7), what its NMM may tell it, and what it does about a breach. It
// waits for nothing and owns no descriptor: the loop, the bus and the probes are wired to it by akmd.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/node/bundle_leftover.h"
#include "daemon/node/control_port.h"
#include "daemon/node/hardware.h"
#include "daemon/node/key_exports.h"
#include "daemon/node/nmm_link.h"
#include "daemon/node/node_record.h"
#include "daemon/node/node_settings.h"
#include "daemon/node/rules.h"
#include "daemon/policy/incident.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/control_body.h"
#include "daemon/protocol/zeroize_receipt.h"
#include "daemon/sentry/sentry.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/audit_trail.h"
#include "daemon/service/bundle_import.h"
#include "daemon/service/erase_state.h"
#include "daemon/service/event_log.h"
#include "daemon/service/gate_keeper.h"
#include "daemon/service/handover.h"
#include "daemon/service/shell.h"

namespace akm::node {

/// What an answer needs to know of a request whose body has been read.
protocol::RequestReceived head_of(const protocol::RequestReceived& request);

/// Section 4: another member holds its keys twice, or an old copy of it runs.
policy::Detection detection_of(const protocol::ContradictionSeen& seen, Instant now);

/// Who takes what other members send, and says how that goes.
struct DataPort {
  service::DataReceiver receive = {};
  std::function<void(StatusSnapshot&)> add_to_status = {};
  std::function<void(AsrSnapshot&)> add_to_asr = {};
};

/// Calls of one kind that wait for an outcome.
inline constexpr std::size_t kWaitersMax = 64;

class Node final : public ControlPort {
 public:
  /// What does not change while the daemon runs.
  struct Facts {
    std::string key_storage = {};
    bool hardware_protected = false;
    std::string io_backend = {};
    std::string listen = {};
    std::vector<std::string> findings = {};
  };
  struct Parts {
    store::SealedStore* store = nullptr;  // null: sealed-unavailable
    std::optional<Error> failure;         // why
    protocol::Engine::Options engine;
    keyring::KeyStore* keys = nullptr;  // null: session secrets stay in the process
    RandomSource& random;
    service::FrameSender send;
    std::function<Status(const Endpoint& group)> join_group;  // receives what is sent there too
    service::EventLog& events;
    Hardware& hardware;
    std::unique_ptr<bpf::ProbeSet> probes;   // null: nothing is watched
    std::unique_ptr<bpf::Gate> gate = {};    // null: every datagram comes here
    service::RunAside run_aside;             // for work that takes long: not on the loop thread
    service::RunAside run_hooks = {};        // the same, for programs of the response hook alone
    protocol::MachineEvidence machine = {};  // what the NMM is told of this one
    /// Erases the storage key and all that it sealed. `mark`: for a golden image. Null: there is nothing but
    /// the store.
    std::function<service::Erased(bool mark)> erase_storage = {};
    std::function<void()> begin_anew = {};  // the daemon, after that
    std::function<Instant()> now = boottime_now;
    DataPort data = {};
    service::AuditTrail* audit = nullptr;  // null: nothing is recorded
    Facts facts;
  };
  Node(const NodeSettings& settings, Parts parts);

  /// Restores what is stored and goes on with it (activation, an unanswered breach report). Once, before the
  /// loop runs.
  void start();
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  /// Null while sealed-unavailable.
  [[nodiscard]] service::Shell* shell() { return shell_ ? &*shell_ : nullptr; }
  [[nodiscard]] sentry::Sentry& sentry() { return sentry_; }
  [[nodiscard]] PolicyPort& policy_port() { return rules_; }
  [[nodiscard]] const ConsumerAccess& consumers() const { return exports_.access(); }
  /// Of the role alone: heartbeats, retries, probes. The engine's are the shell's.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();

  /// From now on bundles on drives are offered; `look` is called aside, on another thread.
  void offer_bundles(std::function<std::vector<service::BundleOffer>()> look);
  /// A drive came or went: what is on them is looked at soon, as long as the node is unprovisioned.
  void drives_changed();

  // ControlPort
  [[nodiscard]] StatusSnapshot status() const override;
  [[nodiscard]] std::vector<AsrSnapshot> asrs() const override;
  Result<HardwareIdentity> hardware_identity() override { return parts_.hardware.identity(); }
  void tpm_identity(Reply<TpmIdentity> reply) override;
  void provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                               Done done) override;
  void provision_from_file(const std::string& path, UniqueFd code, Done done) override;
  void provision_from_memfd(UniqueFd bundle, Done done) override;
  void provision_from_token(const std::string& uri, UniqueFd pin, Done done) override;
  Result<Offer> offer_handover() override;
  void provision_sealed(std::vector<std::uint8_t> sealed, Done done) override;
  void activate(Done done) override;
  void rekey(std::uint64_t asr_id, Done done) override;
  void zeroize(Reply<std::string> reply) override;
  void rehome(Done done) override;
  void generalize(Done done) override;
  Result<std::int32_t> export_key(const KeyExport& what, const Caller& caller) override;
  Status release_key(std::uint64_t asr_id, std::int32_t serial, const Caller& caller) override;

 private:
  // node.cpp: state
  void resume();
  void unusable_record(const Error& error);
  void compare_hardware();
  void set_state(NodeState state);
  Status save_state(NodeState state);
  [[nodiscard]] bool has_nmm() const {
    return state_ == NodeState::active || state_ == NodeState::quarantined;
  }
  [[nodiscard]] std::vector<protocol::AsrId> operational() const;
  void say(EventRecord record, std::string_view message_id, std::string_view sentence);
  void asr_changed(protocol::AsrId asr_id);
  void join_group_of(protocol::AsrId asr_id);
  void status_changed();

  // node_provisioning.cpp: bundles
  [[nodiscard]] Status may_be_provisioned() const;
  void answer_rekey(protocol::AsrId asr_id, const Status& outcome);
  [[nodiscard]] bool importing() const { return import_ && import_->under_way(); }
  [[nodiscard]] service::BundleImport::Parts import_parts();
  Status take_up(const protocol::BundleContent& content, std::string_view way);
  Status take_credentials(const protocol::BundleContent& content);
  Status remember(const NodeRecord& record, const protocol::ReceiptKey& receipt_key);
  void provisioned(std::string_view way);
  [[nodiscard]] static std::string receipt_of(const protocol::BundleContent& content);

  // node_offers.cpp: drives that are plugged in
  void look_at_drives();
  void offer(std::vector<service::BundleOffer> found);
  [[nodiscard]] std::vector<BundleSnapshot> bundles() const;

  // node_leftover.cpp: a bundle that was used and not removed
  Status note_leftover(const protocol::BundleContent& content, const service::BundleImport::Found& found,
                       const std::string& receipt);
  void bundle_removed(const service::BundleImport::Found& found, const Status& removed);
  [[nodiscard]] std::optional<BundleLeftover> stored_leftover();
  void load_leftover();
  void leave_leftover(BundleLeftover leftover);
  void remove_leftover_aside(std::function<std::vector<service::BundleOffer>()> look);
  void leftover_removed();

  // node_activation.cpp: reaching the NMM, heartbeats
  void try_activation();
  void quote_for_activation(protocol::ActivateRequest request);
  void send_activation(const protocol::ActivateRequest& request);
  void activation_ended(Result<NmmLink::Answer> outcome);
  Status take_activation(const NmmLink::Answer& answer);
  void send_heartbeat();
  void heartbeat_ended(const Result<NmmLink::Answer>& outcome);
  void heartbeat_soon();

  // node_commands.cpp: what the NMM tells us
  void command(protocol::RequestReceived& request);
  void command_install(protocol::RequestReceived& request);
  [[nodiscard]] Status check_install(const protocol::InstallRequest& install) const;
  Status installed(protocol::Kind kind, protocol::AsrId asr_id, std::uint32_t generation, bool immediate);
  void command_retire(protocol::RequestReceived& request);
  void command_policy(protocol::RequestReceived& request);
  static bool comes_too_late(const protocol::RequestReceived& request);
  void policy_set(protocol::AsrId asr_id);
  void command_attest(protocol::RequestReceived& request);
  void command_detection_policy(const protocol::RequestReceived& request);
  void attested(const protocol::RequestReceived& request, const Result<keyring::TpmQuote>& quote);
  void respond(const protocol::RequestReceived& request, const Status& status, service::AfterStep after = {},
               protocol::Body body = protocol::empty_body());
  service::AfterStep answer_to(const protocol::RequestReceived& request);

  // node_reports.cpp: what the engine tells us
  void report(service::Report& report);
  void on(protocol::SessionCommitted& committed);
  void on(protocol::GenerationSwitched& switched);
  void on(protocol::AsrRetired& retired);
  void on(protocol::AttemptFailed& failed);
  void on(protocol::ChainsExhausted& exhausted);
  void on(protocol::ContradictionSeen& seen);
  void on(protocol::RequestReceived& request) { command(request); }
  void on(protocol::ResponseReceived& response) { link_.answered(response); }
  void on(protocol::RequestTimedOut& timeout) { link_.timed_out(timeout); }
  void on(protocol::EventRefused& refused);
  void on(service::KeysChanged& changed);
  void on(service::EffectFailed& failed);
  void ask_for_generation(protocol::AsrId asr_id);

  // node_exports.cpp: keys for local consumers
  void export_changed(protocol::AsrId asr_id, const ExportedKey& key, bool revoked);

  // node_lifecycle.cpp: another machine, and the end
  void find_changes();
  void settle_in();
  Status store_receipt_key(const protocol::ChainState& failsafe);
  [[nodiscard]] bool asks_rehome() const { return record_ && record_->rehome_asked; }
  void erase_failed(const protocol::ZeroizeReceipt& receipt, const Status& first);
  protocol::ZeroizeReceipt erase_all_but_provisioning(Status& first);
  Result<std::string> sealed_receipt(const protocol::ZeroizeReceipt& receipt,
                                     const Result<protocol::ReceiptKey>& key);
  void erase_rest();
  void leave();
  void command_zeroize(protocol::RequestReceived& request);
  Result<std::string> erase_everything();

  // node_breach.cpp: detections
  void decided(const policy::Detection& detection, const policy::Decision& decision);
  void note_decision(const policy::Detection& detection, const policy::Decision& decision,
                     std::uint64_t incident);
  void revoke_local_keys();
  void revoke_in_keyring();
  void erase_operational();
  void report_breach(const policy::Detection& detection, const policy::Decision& decision,
                     bool until_answered, std::uint64_t incident);
  void quarantine();
  void save_record();
  void send_pending_report();
  void report_answered(const Result<NmmLink::Answer>& outcome);
  void tell_answer(const NmmLink::Answer& answer, std::uint64_t incident);
  [[nodiscard]] std::uint64_t standing_incident() {
    return incidents_.standing(state_ == NodeState::quarantined, parts_.now());
  }

  // node_responses.cpp: what a policy may ask for beside
  void load_policy_memory();
  void keep_policy_memory(const policy::Decision& decision);
  void save_policy_memory();
  void run_hook(const policy::Detection& detection, const policy::Decision& decision);
  void hook_ended(const Status& status);
  void zeroize_by_policy();

  const NodeSettings& settings_;
  Parts parts_;
  std::optional<NodeRecords> records_;
  std::optional<NodeRecord> record_;
  std::optional<service::BundleImport> import_;
  std::optional<service::Shell> shell_;
  KeyExports exports_;
  NmmLink link_;
  sentry::Sentry sentry_;
  policy::IncidentBook incidents_;
  Rules rules_;
  std::optional<service::GateKeeper> gate_;  // of the shell
  Observer observer_;
  NodeState state_ = NodeState::unprovisioned;
  std::map<std::string, std::string> findings_;  // that come and go
  std::map<std::string, std::uint64_t> counters_;
  std::vector<std::string> changed_sources_;
  std::vector<Done> rehome_waiters_;
  bool leaving_ = false;              // for good: what came now would be sealed under a key that is gone
  std::optional<Instant> leave_due_;  // the state is gone: the daemon is to begin anew
  std::function<std::vector<service::BundleOffer>()> look_for_bundles_;  // null: drives are not looked at
  std::vector<service::BundleOffer> offers_;
  std::optional<BundleLeftover> leftover_;
  std::optional<Instant> look_due_;
  service::Handover handover_;

  std::vector<Done> activation_waiters_;
  // Who asked for a rekey, answered when the members have agreed or an attempt of theirs has failed.
  std::vector<std::pair<protocol::AsrId, Done>> rekey_waiters_;
  bool activation_under_way_ = false;
  bool rehome_sent_ = false;  // with that activation
  Backoff activation_backoff_;
  std::optional<Instant> activation_due_;
  std::optional<Instant> heartbeat_due_;
  bool heartbeat_under_way_ = false;
  Backoff report_backoff_;
  std::optional<Instant> report_due_;
  bool report_under_way_ = false;
  std::optional<Instant> save_due_;    // the record is newer than what is stored
  std::optional<Instant> memory_due_;  // and what the policy remembers
  Instant memory_saved_{};
  std::map<protocol::AsrId, Instant> resync_not_before_;
  std::set<Endpoint> groups_;          // joined, until the daemon ends
  Instant export_refusal_not_before_;  // is an event again
};

}  // namespace akm::node
