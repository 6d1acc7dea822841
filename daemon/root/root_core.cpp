#include "daemon/root/root_core.h"

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/nmm_link.h"

namespace akm::root {
namespace {

constexpr std::string_view kSecretRecord = "root-secret";

}  // namespace

RootCore::RootCore(const Parts& parts, RootSettings the_settings)
    : random(parts.random),
      shell(parts.shell),
      events(parts.events),
      run_aside(parts.run_aside),
      database(parts.database),
      policy_of(parts.policy_of),
      configuration_of(parts.configuration_of),
      settings(std::move(the_settings)),
      book(parts.store),
      secret(parts.store, parts.random, kSecretRecord),
      clock(parts.store),
      requests([this](protocol::Event event,
                      nmm::Requests::AfterStep after) { post(std::move(event), std::move(after)); },
               [this] { return now(); }) {}

void RootCore::announce(std::string_view name, std::uint8_t severity, std::string_view sentence,
                        std::map<std::string, std::string> fields) {
  EventRecord record;
  record.name = name;
  record.severity = severity;
  record.boottime_ns = now().ns;
  record.fields = std::move(fields);
  events.add(std::move(record), message_id::kStateChanged, sentence);
}

void RootCore::status_changed() {
  if (observer.status_changed) observer.status_changed();
}

Status RootCore::put(NmmRecord record) {
  const std::string name = record.name;
  Status stored = book.put(std::move(record));
  if (!stored)
    log::error("an NMM's record could not be stored: " + stored.error().message(), {{"AKM_NMM", name}});
  return stored;
}

void RootCore::respond(const protocol::RequestReceived& request, const Status& status, protocol::Body body) {
  if (!request.expects_response) return;
  protocol::SendResponse response;
  response.asr_id = request.asr_id;
  response.request_id = request.request_id;
  response.method = request.method;
  response.status = status ? protocol::ControlStatus::ok : node::control_status_of(status.error());
  response.body = status ? std::move(body) : protocol::Body{};
  post(std::move(response));
}

protocol::ProvisioningIdentity RootCore::identity_of(const NmmRecord& record) const {
  protocol::ProvisioningIdentity out;
  out.asr_id = record.asr_id;
  out.nmm_id = secret.nmm_id();
  out.node_id = record.nmm_id;
  out.serial = record.serial;
  out.nmm_name = settings.name;
  out.node_name = record.name;
  out.nmm_endpoints = settings.endpoints;
  out.policy = settings.policy;
  return out;
}

Result<protocol::Asr> RootCore::derive(const NmmRecord& record) {
  AKM_ASSIGN(const protocol::ProvisioningRoot root, secret.read());
  AKM_ASSIGN(auto chains, protocol::derive_provisioning_chains(root, record.hardware_value, secret.nmm_id(),
                                                               record.nmm_id, record.serial));
  return protocol::make_provisioning_asr(identity_of(record), std::move(chains));
}

store::SecretName secret_name(protocol::NodeId nmm_id, std::uint32_t number) {
  return {store::RecordKind::nmm, nmm_id, "prs-" + std::to_string(number)};
}

}  // namespace akm::root
