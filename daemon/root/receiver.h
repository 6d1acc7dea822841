#pragma once
// Requests from NMMs: activate, adopt, report, records. They came under the NMM's relationship; what stands
// in them is still checked like anything from outside. What comes from a machine that was replaced gets one
// answer: that it is fenced off.
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "daemon/nmm/due_times.h"
#include "daemon/nmm/requests.h"
#include "daemon/protocol/root_body.h"
#include "daemon/root/report_rows.h"
#include "daemon/root/root_core.h"

namespace akm::root {

/// What is only known while the daemon runs.
struct NmmPresence {
  Instant last_heard{};
  bool silent = false;
  Reported reported;
};

class Receiver {
 public:
  explicit Receiver(RootCore& core) : core_(core) {}

  /// At start: takes up what is to be told, and counts what was reported before.
  void resume();
  /// What was reported before this start, unless it is counted: a database that is away is asked again when
  /// it is back.
  void count_reported();
  void request(const protocol::RequestReceived& request);
  /// Told to all that are active; and again until they confirm it.
  void policy_changed();
  /// As policy_changed(), of what the records say of nodes and relationships.
  void records_changed();
  [[nodiscard]] const NmmPresence* presence(protocol::NodeId nmm_id) const;
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  void heard(const NmmRecord& record, const protocol::RequestReceived& request);
  void activate(const protocol::RequestReceived& request, const NmmRecord& record);
  Status accept(const protocol::RequestReceived& request, const NmmRecord& record);
  void adopt(const protocol::RequestReceived& request, const NmmRecord& record);
  void report(const protocol::RequestReceived& request, const NmmRecord& record);
  void reported(protocol::NodeId nmm_id, const protocol::ReportRequest& report);
  void records(const protocol::RequestReceived& request, const NmmRecord& record);

  // Downwards; each is said again after a while, and when the NMM is heard, until it has answered.
  void pursue(protocol::NodeId nmm_id);
  /// What was not answered, or could not be asked. To a silent NMM nothing is said until it is heard.
  void try_again(protocol::NodeId nmm_id, Instant now);
  void fall_silent(protocol::NodeId nmm_id);
  [[nodiscard]] Duration patience() const;
  void issue(const NmmRecord& record);
  void send_issue(protocol::NodeId nmm_id, const SecretBuffer& body);
  void tell_policy(const NmmRecord& record);
  [[nodiscard]] bool must_configure(const NmmRecord& record);
  void configure(const NmmRecord& record);
  struct Telling;
  void send_part(const std::shared_ptr<Telling>& telling);
  void renew_serial(const NmmRecord& record);
  void send_serial(const NmmRecord& record);
  void fence(const NmmRecord& record, protocol::AsrId asr_id);

  RootCore& core_;
  std::map<protocol::NodeId, NmmPresence> presence_;
  bool counted_ = false;
  bool counting_ = false;
  std::set<protocol::AsrId> telling_;      // something is under way
  nmm::DueTimes<protocol::NodeId> again_;  // what was not answered
  nmm::DueTimes<protocol::NodeId> silence_;
  std::map<protocol::NodeId, protocol::Digest32> wanted_;  // of the records as they are
  bool records_known_ = false;                             // they were read
};

}  // namespace akm::root
