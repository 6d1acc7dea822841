#pragma once
// The NMM's side of the relationship with its Root (section 7, "The Root"): to the Root it is what a node is
// to an NMM. It activates, takes its provisioning root secrets (or hands up its own), reports, and stops when
// the Root says that another machine has its place. Nothing that it does for its nodes waits for the Root.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/nmm/core.h"
#include "daemon/nmm/provisioner.h"
#include "daemon/nmm/report_log.h"
#include "daemon/nmm/root_record.h"
#include "daemon/nmm/upkeep.h"
#include "daemon/node/nmm_link.h"
#include "daemon/protocol/bundle.h"
#include "daemon/protocol/configure_body.h"
#include "daemon/protocol/root_body.h"

namespace akm::nmm {

class RootLink {
 public:
  struct Parts {
    Core& core;
    Provisioner& provisioner;
    Upkeep& upkeep;
    store::SealedStore& store;
    std::uint32_t counted = 0;                                  // this start, by the sealer
    std::function<Result<protocol::HardwareValue>()> hardware;  // null: unknown
    std::function<void()> start_anew;                           // the daemon, with another incarnation
    std::function<Status(const protocol::ConfigureRequest&)> configure{};  // what the Root's records say
  };
  explicit RootLink(Parts parts);

  /// After the registry and the root secret were read. state_corrupt.
  Status resume();
  /// Credentials from a Root. They are durable when it returns.
  Status take(const protocol::BundleContent& content);
  /// already_provisioned when another Root, or an older serial, is in the way.
  [[nodiscard]] Status may_take(const protocol::BundleContent& content) const;

  [[nodiscard]] protocol::AsrId asr_id() const { return record_ ? record_->node.identity.asr_id : 0; }
  [[nodiscard]] bool fenced() const { return record_ && record_->node.state == node::NodeState::quarantined; }
  /// Nothing is done for nodes: fenced, or about to start anew with the records of another machine.
  [[nodiscard]] bool stopped() const { return fenced() || renewing_; }
  /// The records of the machine before this one are on their way.
  [[nodiscard]] bool restoring() const { return record_ && record_->restoring; }
  /// Nodes of these records are called again, until their relationships are stored.
  [[nodiscard]] bool calling() const { return record_ && record_->calling; }
  /// A request that came under asr_id().
  void request(protocol::RequestReceived& request);
  /// Something happened here: the Root may want to know.
  void note(const EventRecord& event);
  /// Looks whether there is something to report.
  void pump();
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

  void show(StatusSnapshot& out) const;

 private:
  void activate();
  void activation_ended(const Outcome& outcome);
  Status take_activation(const Outcome& outcome);
  void secure();
  void adopted(const Outcome& outcome);
  void issue(const protocol::RequestReceived& request);
  Status take_issue(const protocol::IssueRequest& issue);
  void set_policy(const protocol::RequestReceived& request);
  Status configure(const protocol::RequestReceived& request);
  void install(protocol::RequestReceived& request);
  void fence(const protocol::RequestReceived& request);
  Status fence_off();
  Status remember(const RootRecord& record);
  void renew();
  Status clear_away();
  Status erase_secrets();
  Status forget_nodes();
  bool must_activate_again(const Outcome& outcome);
  static bool unfit(const Error& error);
  void try_again(std::string trouble);
  void ask_for_records(protocol::RecordsKind kind, std::uint64_t after);
  void records_came(protocol::RecordsKind kind, const Outcome& outcome);
  Result<std::uint64_t> restore_nodes(const protocol::RecordsResponse& page);
  void call_nodes();
  Result<std::uint64_t> restore_asrs(const protocol::RecordsResponse& page);
  void report();
  void report_ended(std::uint64_t upto, const Outcome& outcome, Instant now);
  void drop_old_secrets();
  void heard(bool answered);
  void respond(const protocol::RequestReceived& request, const Status& status);
  void say(std::string_view name, std::uint8_t severity, std::string_view sentence,
           std::map<std::string, std::string> fields = {});
  [[nodiscard]] Duration interval() const;
  [[nodiscard]] bool reporting() const;
  /// What is from before this relationship is not all gone.
  [[nodiscard]] bool forgetting() const { return record_ && asr_id() == record_->forget_for; }

  Parts parts_;
  Core& core_;
  RootRecords records_;
  ReportLog log_;
  std::optional<RootRecord> record_;
  node::Backoff backoff_;
  std::optional<Instant> due_;  // of the next step: activation, adoption, restoration
  std::optional<Instant> report_due_;
  std::optional<Instant> call_due_;
  std::optional<Instant> anew_due_;
  bool under_way_ = false;  // a request of such a step
  bool report_under_way_ = false;
  std::uint64_t reported_change_ = 0;  // newest change when the last report was put together
  std::optional<Instant> since_;       // since when it is reached, or not
  bool reached_ = false;
  bool renewing_ = false;
  std::string trouble_;  // a finding
};

}  // namespace akm::nmm
