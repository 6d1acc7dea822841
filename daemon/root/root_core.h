#pragma once
// What the parts of a Root share. One thread; what is to go to the engine is gathered in the outbox, and
// posted when the present event has been dealt with.
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "daemon/base/control_types.h"
#include "daemon/nmm/requests.h"
#include "daemon/nmm/root_secret.h"
#include "daemon/nmm/running_clock.h"
#include "daemon/protocol/configure_body.h"
#include "daemon/root/control_port.h"
#include "daemon/root/database_port.h"
#include "daemon/root/nmm_record.h"
#include "daemon/root/root_settings.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/event_log.h"
#include "daemon/service/shell.h"

namespace akm::root {

struct RootCore {
  struct Parts {
    store::SealedStore& store;
    RandomSource& random;
    service::Shell& shell;
    service::EventLog& events;
    service::RunAside run_aside;
    AskDatabase database;
    /// Of new relationships of this NMM's nodes.
    std::function<protocol::Policy(protocol::NodeId nmm_id)> policy_of;
    ConfigPort* configuration = nullptr;
    std::function<DatabaseState()> database_state{};  // for the status
    /// What the records say of this NMM's nodes and relationships. May be empty.
    std::function<protocol::ConfigureRequest(protocol::NodeId nmm_id)> configuration_of{};
  };
  RootCore(const Parts& parts, RootSettings the_settings);
  RootCore(const RootCore&) = delete;
  RootCore& operator=(const RootCore&) = delete;

  [[nodiscard]] Instant now() const { return shell.now(); }
  void post(protocol::Event event, nmm::Requests::AfterStep after = {}) {
    outbox.push_back({std::move(event), std::move(after)});
  }
  void announce(std::string_view name, std::uint8_t severity, std::string_view sentence,
                std::map<std::string, std::string> fields);
  void status_changed();
  /// A failure is an event too: whoever asked may not hear of it.
  Status put(NmmRecord record);
  void respond(const protocol::RequestReceived& request, const Status& status, protocol::Body body);
  /// The Root's side of its relationship with the NMM.
  Result<protocol::Asr> derive(const NmmRecord& record);
  [[nodiscard]] protocol::ProvisioningIdentity identity_of(const NmmRecord& record) const;

  RandomSource& random;
  service::Shell& shell;
  service::EventLog& events;
  service::RunAside run_aside;
  AskDatabase database;
  std::function<protocol::Policy(protocol::NodeId)> policy_of;
  std::function<protocol::ConfigureRequest(protocol::NodeId)> configuration_of;
  RootSettings settings;
  Observer observer;
  struct Outgoing {
    protocol::Event event;
    nmm::Requests::AfterStep after;
  };
  std::deque<Outgoing> outbox;
  std::function<void()> settle;  // after work that was done aside
  NmmBook book;
  nmm::RootSecret secret;
  nmm::RunningClock clock;
  nmm::Requests requests;
};

/// "prs-1": where the database has a provisioning root secret of an NMM.
store::SecretName secret_name(protocol::NodeId nmm_id, std::uint32_t number);

}  // namespace akm::root
