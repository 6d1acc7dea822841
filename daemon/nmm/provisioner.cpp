#include "daemon/nmm/provisioner.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/nmm/bundle_drive.h"
#include "daemon/nmm/bundle_target.h"
#include "daemon/nmm/bundle_writing.h"
#include "daemon/protocol/control_body.h"

namespace akm::nmm {
namespace {

/// The caller has its bundle by then: a later preparation makes another.
Requests::AfterStep log_failure(const std::string& node_name) {
  return [node_name](const Status& status) {
    if (status) return;
    log::error(
        "the NMM's side of a provisioning relationship could not be installed: " + status.error().message(),
        {{"AKM_NODE", node_name}});
  };
}

/// A replacement NMM has to be able to reach the node under the serial that it has, until it is heard under
/// the next one.
void note_prior(NodeRecord& record) {
  if (record.activated_serial == 0 || record.activated_serial != record.serial) return;
  record.prior = protocol::Derivation{record.serial, record.root, record.hardware_value};
}

}  // namespace

Status Provisioner::check(const ControlPort::Prepare& what) const {
  if (core_.root.newest() == 0) return fail(Errc::wrong_state, "there is no provisioning root secret");
  AKM_TRY(check_node_name(what.node_name));
  const std::size_t hardware = what.hardware_value.size();
  if (hardware != 0 && hardware != protocol::HardwareValue{}.size()) {
    return fail(Errc::invalid_argument, "a hardware value has 32 bytes");
  }
  if (hardware == 0 && !core_.settings.bind_at_activation) {
    return fail(Errc::refused_by_policy, "nodes are prepared with their hardware value only");
  }
  if (what.node_endpoints.size() > protocol::limits::kEndpointsPerMember) {
    return fail(Errc::limit_exceeded, "endpoints of a node");
  }
  for (const std::string& text : what.node_endpoints) AKM_TRY(parse_endpoint(text));
  if (core_.settings.endpoints.empty()) {
    return fail(Errc::config_invalid,
                "network.advertise is not set: where do nodes reach this NMM? Set it in "
                "/etc/akm/akm-nmmd.toml, then systemctl reload akm-nmmd");
  }
  return {};
}

Result<NodeRecord> Provisioner::next_record(const ControlPort::Prepare& what) {
  NodeRecord record;
  if (const NodeRecord* present = core_.registry.node_by_name(what.node_name)) {
    record = *present;
    if (record.serial == UINT32_MAX) return fail(Errc::exhausted, "serials of " + record.name);
  } else {
    record.name = what.node_name;
    // Under the id that the Root's record of it has.
    if (const auto* expected = core_.expected ? core_.expected(what.node_name) : nullptr) {
      record.node_id = expected->id;
      record.endpoints = expected->endpoints;
    }
    while (record.node_id == 0 || core_.registry.node(record.node_id) != nullptr ||
           record.node_id == core_.root.nmm_id()) {
      AKM_ASSIGN(record.node_id, draw_id(core_.random));
    }
    do {
      AKM_ASSIGN(record.provisioning_asr, draw_id(core_.random));
    } while (core_.registry.node_by_provisioning_asr(record.provisioning_asr) != nullptr ||
             core_.registry.asr(record.provisioning_asr) != nullptr);
  }
  note_prior(record);
  ++record.serial;
  record.root = core_.root.newest();
  record.hardware_value = {};
  std::ranges::copy(what.hardware_value, record.hardware_value.begin());
  if (!what.node_endpoints.empty()) record.endpoints = what.node_endpoints;
  record.bind_pending = false;
  if (record.state == NodeState::retired) record.state = NodeState::prepared;
  record.other.reset();
  record.rehome_asked = false;
  record.zeroize_pending = false;
  record.receipt.clear();
  record.attestation_key = what.attestation_key;  // the machine may be another one
  record.pcr_digest.reset();
  record.golden_pcrs = false;
  record.prepared_at_s = core_.clock.seconds(core_.now());
  return record;
}

protocol::ProvisioningIdentity Provisioner::identity_of(const NodeRecord& record) const {
  protocol::ProvisioningIdentity identity;
  identity.asr_id = record.provisioning_asr;
  identity.nmm_id = core_.root.nmm_id();
  identity.node_id = record.node_id;
  identity.serial = record.serial;
  identity.nmm_name = core_.settings.name;
  identity.node_name = record.name;
  identity.nmm_endpoints = core_.settings.endpoints;
  identity.policy = core_.settings.policy;
  return identity;
}

Result<protocol::Asr> Provisioner::derive(const NodeRecord& record) {
  AKM_ASSIGN(const protocol::ProvisioningRoot root, core_.root.read(record.root));
  AKM_ASSIGN(auto chains,
             protocol::derive_provisioning_chains(root, record.hardware_value, core_.root.nmm_id(),
                                                  record.node_id, record.serial));
  return protocol::make_provisioning_asr(identity_of(record), std::move(chains));
}

bool Provisioner::reach(const NodeRecord& record) {
  std::vector<NodeRecord> serials;
  // A secret that is gone had no node left: this one was heard under its newest serial.
  if (record.prior && core_.root.numbers().contains(record.prior->root)) {
    NodeRecord& before = serials.emplace_back(record);
    before.serial = record.prior->serial;
    before.root = record.prior->root;
    before.hardware_value = record.prior->hardware_value;
  }
  serials.push_back(record);
  for (const NodeRecord& one : serials) {
    auto asr = derive(one);
    if (!asr) {
      log::error("a node of the NMM before this one cannot be reached: " + asr.error().message(),
                 {{"AKM_NODE", record.name}});
      return false;
    }
    core_.post(protocol::InstallAsr{std::move(*asr), protocol::kNmmIndex, false, 0},
               log_failure(record.name));
  }
  point_at(record);
  return true;
}

bool Provisioner::is_reached(const NodeRecord& record) const {
  if (record.is_gone() || !core_.root.numbers().contains(record.root)) return true;
  const auto view = core_.shell.engine().view(record.provisioning_asr);
  return view && std::max(view->description.generation, view->installed_generation) >= record.serial;
}

bool Provisioner::all_reached() const {
  return std::ranges::all_of(core_.registry.nodes(),
                             [this](const auto& one) { return is_reached(one.second); });
}

void Provisioner::reach_missing(const std::function<void(protocol::NodeId)>& reached) {
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    if (!is_reached(node) && reach(node)) reached(node_id);
  }
}

/// Where it was heard, else where it will listen.
void Provisioner::point_at(const NodeRecord& record) {
  const std::string& known =
      record.peer.empty() && !record.endpoints.empty() ? record.endpoints.front() : record.peer;
  if (const auto endpoint = parse_endpoint(known))
    core_.post(protocol::SetPeerEndpoint{record.provisioning_asr, *endpoint});
}

Result<protocol::BundleContent> Provisioner::prepare(const ControlPort::Prepare& what) {
  AKM_TRY(check(what));
  AKM_ASSIGN(NodeRecord record, next_record(what));
  AKM_ASSIGN(protocol::Asr asr, derive(record));
  protocol::BundleContent content;
  content.identity = identity_of(record);
  AKM_TRY(core_.random.fill(content.use_id));
  content.unbound = !record.is_bound();
  AKM_ASSIGN(content.mask, protocol::mask_chains(asr.chains, record.hardware_value, content.use_id));
  if (!content.unbound) {
    AKM_ASSIGN(content.check, protocol::hardware_check(record.hardware_value, content.use_id));
  }
  const NodeRecord stored = record;
  AKM_TRY(core_.put(std::move(record)));
  core_.post(protocol::InstallAsr{std::move(asr), protocol::kNmmIndex, false, 0}, log_failure(stored.name));
  point_at(stored);
  core_.announce("node-prepared", 5, {}, "Provisioning credentials were made for a node.", 0,
                 {{"node", stored.name},
                  {"node_id", hex_id(stored.node_id)},
                  {"serial", std::to_string(stored.serial)},
                  {"bound", stored.is_bound() ? "yes" : "at activation"}});
  core_.status_changed();
  return content;
}

void Provisioner::prepare_file(const ControlPort::Prepare& what, const ControlPort::Destination& to,
                               std::function<void()> settle, Reply<ControlPort::Prepared> reply) {
  if (const Status fit = check(what); !fit) return reply(std::unexpected(fit.error()));
  write_bundle(
      core_.run_aside, to, what.node_name,
      [this, what, settle = std::move(settle)](service::BundleReply made) {
        made(prepare(what));
        settle();
      },
      [reply = std::move(reply)](Result<WrittenBundle> written) mutable {
        if (!written) return reply(std::unexpected(written.error()));
        reply(ControlPort::Prepared{written->id, std::move(written->path), std::move(written->code)});
      });
}

void Provisioner::list_drives(Reply<std::vector<DriveSnapshot>> reply) {
  service::reply_aside<std::vector<DriveSnapshot>>(
      core_.run_aside, [] { return nmm::list_drives(); }, std::move(reply));
}

Status Provisioner::bind(protocol::NodeId node_id, const protocol::HardwareValue& hardware) {
  const NodeRecord* present = core_.registry.node(node_id);
  if (present == nullptr) return fail(Errc::not_found, hex_id(node_id));
  if (present->serial == UINT32_MAX) return fail(Errc::exhausted, "serials of " + present->name);
  NodeRecord next = *present;
  note_prior(next);
  next.hardware_value = hardware;
  next.bind_pending = true;
  ++next.serial;
  next.root = core_.root.newest();
  AKM_ASSIGN(protocol::Asr asr, derive(next));
  const std::string name = next.name;
  AKM_TRY(core_.put(std::move(next)));
  core_.post(protocol::InstallAsr{std::move(asr), protocol::kNmmIndex, false, 0}, log_failure(name));
  return send_binding(node_id);
}

Result<protocol::ReceiptKey> Provisioner::receipt_key(const NodeRecord& record) {
  AKM_ASSIGN(const protocol::Asr asr, derive(record));
  return protocol::receipt_key(asr.chains[protocol::kChainCount - 1]);
}

Status Provisioner::send_binding(protocol::NodeId node_id) {
  const NodeRecord* node = core_.registry.node(node_id);
  if (node == nullptr || !node->bind_pending) return fail(Errc::wrong_state, "no binding is pending");
  if (core_.requests.under_way(node->provisioning_asr) > 0)
    return {};  // perhaps this one: the next heartbeat tells
  protocol::InstallRequest request;
  AKM_ASSIGN(request.asr, derive(*node));
  request.index = protocol::kNodeIndex;
  // The node goes first: its answer under the new serial is what makes the NMM follow.
  request.immediate = true;
  request.retire = node->serial - 1;
  AKM_ASSIGN(SecretBuffer body, request.encode());
  const auto deadline = std::chrono::seconds(core_.settings.policy.control_deadline_s);
  core_.requests.send_secret(node->provisioning_asr, protocol::Method::install, std::move(body), deadline,
                             core_.now(), [](const Outcome&, Instant) {
                               // What counts is under which serial the node is heard.
                             });
  return {};
}

}  // namespace akm::nmm
