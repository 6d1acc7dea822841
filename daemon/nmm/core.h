#pragma once
// What the parts of an NMM share. One thread; nothing here calls back during a step: what is to go to the
// engine is gathered in the outbox, and posted when the present event has been dealt with.
#include <deque>
#include <map>
#include <string>

#include "daemon/base/control_types.h"
#include "daemon/nmm/credentials.h"
#include "daemon/nmm/departures.h"
#include "daemon/nmm/generations.h"
#include "daemon/nmm/nmm_settings.h"
#include "daemon/nmm/node_policies.h"
#include "daemon/nmm/policy_changes.h"
#include "daemon/nmm/registry.h"
#include "daemon/nmm/requests.h"
#include "daemon/nmm/root_secret.h"
#include "daemon/nmm/running_clock.h"
#include "daemon/protocol/configure_body.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/audit_trail.h"
#include "daemon/service/event_log.h"
#include "daemon/service/shell.h"

namespace akm::nmm {

struct Core {
  struct Parts {
    store::SealedStore& store;
    RandomSource& random;
    service::Shell& shell;
    service::EventLog& events;
    service::RunAside run_aside;           // for work that takes long: not on the loop thread
    service::AuditTrail* audit = nullptr;  // null: nothing is recorded
  };
  Core(const Parts& parts, NmmSettings the_settings);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  [[nodiscard]] Instant now() const { return shell.now(); }
  void post(protocol::Event event, Requests::AfterStep after = {}) {
    outbox.push_back({std::move(event), std::move(after)});
  }
  void asr_changed(protocol::AsrId asr_id);
  void status_changed();

  /// An event for journal, history and D-Bus. `fields` has no secrets and no raw bytes of peers.
  void announce(std::string_view name, std::uint8_t severity, std::string_view message_id,
                std::string_view sentence, protocol::AsrId asr_id, std::map<std::string, std::string> fields);
  /// Writes a node's record; a failure is an event too, since whoever asked may not hear of it.
  Status put(NodeRecord record);
  Status put(Registry::Change change);
  [[nodiscard]] std::string name_of(protocol::NodeId node_id) const;

  RandomSource& random;
  service::Shell& shell;
  service::EventLog& events;
  service::RunAside run_aside;
  service::AuditTrail* audit;  // may be null
  NmmSettings settings;
  Observer observer;
  std::function<void(const EventRecord&)> witness;  // hears of every event too
  /// A node of this name that the Root has a record of; null when there is none. May be empty.
  std::function<const protocol::ExpectedNode*(std::string_view name)> expected;
  struct Outgoing {
    protocol::Event event;
    Requests::AfterStep after;
  };
  std::deque<Outgoing> outbox;
  Registry registry;
  RootSecret root;
  Credentials credentials;
  RunningClock clock;
  Requests requests;
  Departures departures;
  PolicyChanges policy_changes;
  NodePolicies node_policies;
  Generations generations;
};

/// A random id that is not 0.
Result<std::uint64_t> draw_id(RandomSource& random);

}  // namespace akm::nmm
