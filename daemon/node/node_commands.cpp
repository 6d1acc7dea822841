// Section 6: what the NMM tells this node under the provisioning ASR. Nothing but re-provisioning is accepted
// before the node is active.
#include <algorithm>
#include <utility>

#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"

namespace akm::node {

using protocol::Method;
using protocol::RequestReceived;

RequestReceived head_of(const RequestReceived& request) {
  RequestReceived out;
  out.asr_id = request.asr_id;
  out.request_id = request.request_id;
  out.method = request.method;
  out.expects_response = request.expects_response;
  return out;
}

void Node::respond(const RequestReceived& request, const Status& status, service::AfterStep after,
                   protocol::Body body) {
  if (!request.expects_response) {
    if (after) after({});
    return;
  }
  protocol::SendResponse response;
  response.asr_id = request.asr_id;
  response.request_id = request.request_id;
  response.method = request.method;
  response.status = status ? protocol::ControlStatus::ok : control_status_of(status.error());
  response.body = std::move(body);
  shell_->post(std::move(response), std::move(after));
}

/// Answers once the event that the command became was carried out.
service::AfterStep Node::answer_to(const RequestReceived& request) {
  return [this, asked = head_of(request)](const Status& status) { respond(asked, status); };
}

/// Somebody may have held it back until it undoes what came later: a policy that was replaced, the retirement
/// of a member that was taken back. The NMM asks anew where it still holds. An install has its generation.
bool Node::comes_too_late(const RequestReceived& request) {
  const bool undoes = request.method == Method::policy || request.method == Method::retire ||
                      request.method == Method::quarantine || request.method == Method::detection_policy;
  return undoes && request.overtaken;
}

void Node::command(RequestReceived& request) {
  if (request.asr_id != link_.provisioning() || !record_) return;
  ++counters_["commands_received"];
  const bool early = !has_nmm() && request.method != Method::install && request.method != Method::zeroize &&
                     request.method != Method::rotate_provisioning;
  if (early) return respond(request, fail(Errc::not_activated));
  if (comes_too_late(request)) return respond(request, fail(Errc::busy, "a later request came first"));
  switch (request.method) {
    case Method::install:
      return command_install(request);
    case Method::switch_generation: {
      const auto body = protocol::SwitchRequest::decode(request.body.reveal());
      if (!body) return respond(request, std::unexpected(body.error()));
      return shell_->post(protocol::SwitchGeneration{body->asr_id, body->generation}, answer_to(request));
    }
    case Method::retire:
      return command_retire(request);
    case Method::policy:
      return command_policy(request);
    case Method::rotate_provisioning:
      // The answer goes first: it is to leave under the key that the request came under.
      respond(request, {});
      return shell_->post(protocol::RequestRekey{request.asr_id});
    case Method::quarantine: {
      revoke_local_keys();
      const Status saved = save_state(NodeState::quarantined);
      set_state(NodeState::quarantined);
      return respond(request, saved);
    }
    case Method::zeroize:
      return command_zeroize(request);
    case Method::attest:
      return command_attest(request);
    case Method::detection_policy:
      return command_detection_policy(request);
    case Method::activate:
    case Method::heartbeat:
    case Method::breach_report:
    case Method::resync:
    case Method::issue:
    case Method::report:
    case Method::records:
    case Method::adopt:
    case Method::fence:
    case Method::configure:
      return respond(request, fail(Errc::not_supported));
  }
  respond(request, fail(Errc::not_supported));
}

Status Node::check_install(const protocol::InstallRequest& install) const {
  const protocol::AsrDescription& asr = install.asr.description;
  const protocol::Member* self = asr.member(install.index);
  if (self == nullptr || self->node_id != record_->identity.node_id || self->role != protocol::Role::node) {
    return fail(Errc::malformed, "the index is not this node's");
  }
  if (asr.kind == protocol::Kind::provisioning) {
    const protocol::Member* nmm = asr.member(protocol::kNmmIndex);
    const bool own =
        asr.id == link_.provisioning() && nmm != nullptr && nmm->node_id == record_->identity.nmm_id;
    return own ? Status{} : fail(Errc::refused_by_policy, "not this node's provisioning relationship");
  }
  if (asr.id == link_.provisioning())
    return fail(Errc::refused_by_policy, "the id of the provisioning relationship");
  if (!has_nmm()) return fail(Errc::not_activated);
  // The NMM that sent this may not know of the breach yet: it would give the keys back to the attacker.
  if (!record_->pending_report.empty()) return fail(Errc::busy, "a breach report is unanswered");
  return {};
}

void Node::command_install(RequestReceived& request) {
  auto install = protocol::InstallRequest::decode(request.body.reveal());
  if (!install) return respond(request, std::unexpected(install.error()));
  if (const Status allowed = check_install(*install); !allowed) return respond(request, allowed);
  const protocol::AsrDescription& asr = install->asr.description;
  const auto kind = asr.kind;
  const protocol::AsrId asr_id = asr.id;
  const std::uint32_t generation = asr.generation;
  const bool immediate = install->immediate;
  const auto present = shell_->engine().view(asr_id);
  // One that the engine refuses as stale must not take the place of the key of the serial that is in use.
  if (kind == protocol::Kind::provisioning && (!present || generation > present->description.generation)) {
    const Status kept = store_receipt_key(install->asr.chains[protocol::kChainCount - 1]);
    if (!kept) return respond(request, kept);
  }
  protocol::InstallAsr event{std::move(install->asr), install->index, install->immediate, install->retire};
  shell_->post(std::move(event), [this, kind, asr_id, generation, immediate,
                                  answer = answer_to(request)](const Status& status) mutable {
    // The NMM may have been restored from an older state: it is to learn soon what is in use here.
    if (!status && status.error().code == Errc::stale_generation) heartbeat_soon();
    answer(status ? installed(kind, asr_id, generation, immediate) : status);
  });
}

Status Node::installed(protocol::Kind kind, protocol::AsrId asr_id, std::uint32_t generation,
                       bool immediate) {
  say({.name = "generation-installed",
       .severity = 6,
       .asr_id = asr_id,
       .fields = {{"generation", std::to_string(generation)}, {"immediate", immediate ? "true" : "false"}}},
      message_id::kGenerationInstalled, "The NMM has installed a generation");
  asr_changed(asr_id);
  if (kind == protocol::Kind::provisioning) {
    NodeRecord changed = *record_;
    changed.identity.serial = generation;
    AKM_TRY(records_->save(changed));
    record_ = std::move(changed);
    settle_in();
    return {};
  }
  heartbeat_soon();
  if (state_ != NodeState::quarantined) return {};
  AKM_TRY(save_state(NodeState::active));
  say({.name = "readmitted", .severity = 5, .asr_id = asr_id, .fields = {}}, message_id::kNodeReadmitted,
      "The NMM has taken this node back");
  set_state(NodeState::active);
  return {};
}

void Node::command_retire(RequestReceived& request) {
  const auto body = protocol::RetireRequest::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  if (body->asr_id == link_.provisioning()) {
    return command_zeroize(request);
  }
  // What is not there (any more) needs no retiring: a repeated retire is a success.
  if (!shell_->engine().view(body->asr_id)) return respond(request, {});
  shell_->post(protocol::RetireAsr{body->asr_id}, answer_to(request));
}

void Node::command_policy(RequestReceived& request) {
  const auto body = protocol::PolicyUpdate::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  if (body->asr_id != 0) {
    return shell_->post(
        protocol::SetPolicy{body->asr_id, body->policy},
        [this, asr_id = body->asr_id, answer = answer_to(request)](const Status& status) mutable {
          if (status) policy_set(asr_id);
          answer(status);
        });
  }
  NodeRecord changed = *record_;
  changed.identity.policy = body->policy;
  const Status saved = records_->save(changed);
  if (saved) record_ = std::move(changed);
  heartbeat_soon();
  respond(request, saved);
}

void Node::policy_set(protocol::AsrId asr_id) {
  join_group_of(asr_id);
  say({.name = "policy-set", .severity = 6, .asr_id = asr_id, .fields = {}}, {},
      "The NMM has changed the policy of a relationship");
  asr_changed(asr_id);
}

}  // namespace akm::node
