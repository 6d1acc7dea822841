#include "daemon/nmm/root_link.h"

#include <chrono>
#include <utility>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/incarnation_base.h"

namespace akm::nmm {
namespace {

using LinkState = node::NodeState;
using protocol::Method;

constexpr Duration kPauseFirst = std::chrono::seconds(1);
constexpr Duration kPauseMost = std::chrono::minutes(2);
// The answer to the Root leaves before the daemon starts anew.
constexpr Duration kAnewSoon = std::chrono::milliseconds(200);

}  // namespace

RootLink::RootLink(Parts parts)
    : parts_(std::move(parts)),
      core_(parts_.core),
      records_(parts_.store),
      log_(parts_.store, core_.registry),
      backoff_(kPauseFirst, kPauseMost) {}

Status RootLink::resume() {
  AKM_ASSIGN(record_, records_.load());
  if (!record_) return {};
  if (fenced() || forgetting()) {
    // A crash or a full disk may have cut it short.
    const Status cleared = clear_away();
    renewing_ = !cleared && forgetting();
  }
  core_.registry.mark_removals();
  core_.registry.count_from(record_->acked);
  log_.load();
  if (!core_.shell.engine().view(asr_id())) {
    // Joining was interrupted, or its record is damaged: new credentials bring the Root back.
    trouble_ =
        "The credentials for the Root cannot be used: have it prepare this NMM anew (akmctl root nmm "
        "prepare)";
    return {};
  }
  // A copy of the state from before the secrets came: the Root issues them once more at an activation.
  const bool lacking =
      record_->node.state == LinkState::active && !record_->secured && core_.root.newest() == 0;
  if (lacking) record_->node.state = LinkState::provisioned;
  if (record_->node.state == LinkState::active) core_.settings.policy = record_->node.identity.policy;
  since_ = core_.now();
  if (!fenced() && !forgetting()) due_ = core_.now();
  if (reporting()) report_due_ = core_.now();
  if (calling()) call_due_ = core_.now();
  return {};
}

Duration RootLink::interval() const {
  return std::chrono::seconds(record_->node.identity.policy.heartbeat_interval_s);
}

bool RootLink::reporting() const {
  return record_ && record_->node.state == LinkState::active && record_->secured && !record_->restoring;
}

void RootLink::say(std::string_view name, std::uint8_t severity, std::string_view sentence,
                   std::map<std::string, std::string> fields) {
  core_.announce(name, severity, message_id::kStateChanged, sentence, 0, std::move(fields));
  core_.status_changed();
}

Status RootLink::may_take(const protocol::BundleContent& content) const {
  const protocol::ProvisioningIdentity& identity = content.identity;
  if (content.unbound) return fail(Errc::refused_by_policy, "an NMM's bundle is bound to its hardware value");
  const protocol::NodeId own = core_.root.nmm_id();
  if (own != 0 && identity.node_id != own) {
    return fail(Errc::refused_by_policy, "this NMM has nodes of its own under id " + hex_id(own) +
                                             ": akmctl root nmm prepare --adopt " + hex_id(own));
  }
  // A Root takes what it hears of a relationship for what is so, and gives it to the next machine.
  for (const auto& [asr_id, asr] : core_.registry.asrs()) {
    if (asr.unconfirmed)
      return fail(Errc::wrong_state, asr.description.label + " is not confirmed yet (akmctl asr confirm)");
  }
  if (!record_) return {};
  const protocol::ProvisioningIdentity& known = record_->node.identity;
  if (known.nmm_id != identity.nmm_id) return fail(Errc::already_provisioned, "by another Root");
  if (identity.serial <= known.serial)
    return fail(Errc::stale_generation, "the Root's bundle is an older one");
  return {};
}

Status RootLink::take(const protocol::BundleContent& content) {
  AKM_TRY(may_take(content));
  AKM_ASSIGN(const bool used, records_.nodes().was_used(content.use_id));
  if (used) return fail(Errc::already_consumed);
  if (!parts_.hardware) return fail(Errc::no_hardware_source);
  AKM_ASSIGN(const protocol::HardwareValue hardware, parts_.hardware());
  // The Root always binds: a bundle that does not say for which machine it is was not made by one.
  if (!content.check) return fail(Errc::hardware_mismatch, "the bundle does not name its machine");
  AKM_ASSIGN(const protocol::HardwareCheck check, protocol::hardware_check(hardware, content.use_id));
  if (check != *content.check) return fail(Errc::hardware_mismatch);
  AKM_ASSIGN(auto chains, protocol::unmask_chains(content.mask, hardware, content.use_id));
  AKM_ASSIGN(auto asr, protocol::make_provisioning_asr(content.identity, std::move(chains)));
  const protocol::AsrId before = asr_id();
  const std::uint32_t retire = content.identity.serial - 1;
  Status installed = fail(Errc::internal, "the engine was not asked");
  core_.shell.post(protocol::InstallAsr{std::move(asr), protocol::kNodeIndex, true, retire},
                   [&installed](const Status& status) { installed = status; });
  AKM_TRY(installed);
  RootRecord record{{content.identity, hardware, content.use_id, LinkState::provisioned, {}, {}, false}};
  // With the same id it is the same NMM that comes back; a fenced one has nothing left that counts.
  if (record_ && !fenced()) {
    record.secured = record_->secured;
    record.restoring = record_->restoring;
    record.calling = record_->calling;
    record.acked = record_->acked;
  }
  // Another relationship: this machine takes the NMM's place anew, and what it knows of nodes is older.
  const bool anew = before != 0 && before != content.identity.asr_id;
  if (anew) record.forget_for = content.identity.asr_id;
  if (const Status stored = remember(record); !stored) {
    if (before != content.identity.asr_id) core_.post(protocol::RetireAsr{content.identity.asr_id});
    return stored;
  }
  record_ = std::move(record);
  due_ = core_.now();
  backoff_.reset();
  trouble_.clear();
  if (anew) renew();
  core_.registry.mark_removals();
  since_ = core_.now();
  reached_ = false;
  say("root-joined", 5, "Credentials for a Root were stored.",
      {{"root", content.identity.nmm_name}, {"root_id", hex_id(content.identity.nmm_id)}});
  return {};
}

/// The use of the bundle first: a power cut in between wastes it, and does not let it be used twice.
Status RootLink::remember(const RootRecord& record) {
  AKM_TRY(records_.nodes().add_used(record.node.use_id));
  Status stored = records_.save(record);
  if (stored) return {};
  // The first error is what counts: the bundle is unused again, where the disk lets us say so.
  [[maybe_unused]] const Status unused = records_.nodes().remove_used(record.node.use_id);
  return stored;
}

/// Nothing is done for nodes until what is from before is gone and the daemon has started anew.
void RootLink::renew() {
  renewing_ = true;
  if (clear_away()) anew_due_ = core_.now() + kAnewSoon;
}

void RootLink::activate() {
  const auto hardware = parts_.hardware ? parts_.hardware() : fail(Errc::no_hardware_source);
  if (!hardware) return try_again(hardware.error().message());
  protocol::ActivateRequest request;
  request.hardware_value = *hardware;
  request.version = AKM_VERSION;
  under_way_ = true;
  core_.requests.send(asr_id(), Method::activate, request.encode(),
                      std::chrono::seconds(record_->node.identity.policy.control_deadline_s), core_.now(),
                      [this](const Outcome& outcome, Instant) { activation_ended(outcome); });
}

void RootLink::activation_ended(const Outcome& outcome) {
  under_way_ = false;
  heard(outcome.status.has_value());
  if (fenced()) return;
  const Status taken = take_activation(outcome);
  if (!taken) return try_again("The Root does not activate this NMM: " + taken.error().message());
  trouble_.clear();
  backoff_.reset();
  say("root-activated", 5, "The Root has activated this NMM.", {{"root", record_->node.identity.nmm_name}});
  secure();
}

Status RootLink::take_activation(const Outcome& outcome) {
  if (!outcome.status) return fail(Errc::timed_out, "no answer");
  AKM_TRY(node::status_of(*outcome.status));
  AKM_ASSIGN(protocol::ActivateResponse response, protocol::ActivateResponse::decode(outcome.body));
  RootRecord next = *record_;
  next.node.identity.nmm_name = std::move(response.nmm);
  next.node.identity.policy = response.policy;
  next.node.state = LinkState::active;
  AKM_TRY(records_.save(next));
  record_ = std::move(next);
  core_.settings.policy = record_->node.identity.policy;
  return {};
}

/// The Root has to have the secrets that the nodes hang on: it issues them, or gets this NMM's own.
void RootLink::secure() {
  if (record_->secured) {
    if (record_->restoring) return ask_for_records(protocol::RecordsKind::nodes, 0);
    report_due_ = core_.now();
    return;
  }
  if (core_.root.newest() == 0) return;  // the Root issues them next
  auto secrets = core_.root.read_all();
  if (!secrets) return try_again(secrets.error().message());
  const protocol::AdoptRequest request{core_.root.nmm_id(), std::move(*secrets)};
  under_way_ = true;
  core_.requests.send_secret(asr_id(), Method::adopt, request.encode(),
                             std::chrono::seconds(record_->node.identity.policy.control_deadline_s),
                             core_.now(), [this](const Outcome& outcome, Instant) { adopted(outcome); });
}

void RootLink::adopted(const Outcome& outcome) {
  under_way_ = false;
  heard(outcome.status.has_value());
  if (fenced() || must_activate_again(outcome)) return;
  RootRecord next = *record_;
  next.secured = true;
  Status done = outcome.status ? node::status_of(*outcome.status) : fail(Errc::timed_out, "no answer");
  if (done) done = records_.save_progress(next);
  if (!done) return try_again("The Root does not adopt this NMM: " + done.error().message());
  record_ = std::move(next);
  trouble_.clear();
  backoff_.reset();
  say("root-adopted", 5, "The Root has this NMM's root secret: it can be replaced from now on.");
  report_due_ = core_.now();
}

void RootLink::respond(const protocol::RequestReceived& request, const Status& status) {
  if (!request.expects_response) return;
  protocol::SendResponse response;
  response.asr_id = request.asr_id;
  response.request_id = request.request_id;
  response.method = request.method;
  response.status = status ? protocol::ControlStatus::ok : node::control_status_of(status.error());
  response.body = protocol::empty_body();
  core_.post(std::move(response));
}

void RootLink::request(protocol::RequestReceived& request) {
  heard(true);
  // Held back until it undoes what came later.
  const bool undoes = request.method == Method::issue || request.method == Method::policy ||
                      request.method == Method::configure;
  if (undoes && request.overtaken) return respond(request, fail(Errc::busy, "a later request came first"));
  if (fenced() && request.method != Method::fence) return respond(request, fail(Errc::refused_by_policy));
  switch (request.method) {
    case Method::issue:
      return issue(request);
    case Method::fence:
      return fence(request);
    case Method::policy:
      return set_policy(request);
    case Method::configure:
      return respond(request, configure(request));
    case Method::install:
      return install(request);
    case Method::rotate_provisioning:
      respond(request, {});
      return core_.post(protocol::RequestRekey{request.asr_id});
    case Method::activate:
    case Method::heartbeat:
    case Method::switch_generation:
    case Method::retire:
    case Method::breach_report:
    case Method::resync:
    case Method::quarantine:
    case Method::zeroize:
    case Method::attest:
    case Method::report:
    case Method::records:
    case Method::adopt:
    case Method::detection_policy:
      break;
  }
  respond(request, fail(Errc::not_supported));
}

void RootLink::issue(const protocol::RequestReceived& request) {
  const auto body = protocol::IssueRequest::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  const Status taken = take_issue(*body);
  respond(request, taken);
  if (!taken) {
    log::error("what the Root issues was not taken: " + taken.error().message());
    return;
  }
  say("root-issued", 5, "The Root has issued this NMM's root secret.",
      {{"nmm_id", hex_id(core_.root.nmm_id())}, {"newest", std::to_string(core_.root.newest())}});
  if (!anew_due_) due_ = core_.now();
}

Status RootLink::take_issue(const protocol::IssueRequest& issue) {
  if (record_->node.state != LinkState::active) return fail(Errc::not_activated);
  if (issue.nmm_id != record_->node.identity.node_id) return fail(Errc::malformed, "another NMM's id");
  const std::uint32_t newest = issue.secrets.back().number;
  if (core_.root.newest() != 0 && !record_->secured)
    return fail(Errc::refused_by_policy, "this NMM's own secret is not handed up yet");
  if (newest < core_.root.newest()) return fail(Errc::stale_generation);
  std::set<std::uint32_t> numbers;
  for (const auto& one : issue.secrets) numbers.insert(one.number);
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    const bool known = numbers.contains(node.root) && (!node.prior || numbers.contains(node.prior->root));
    if (!known) return fail(Errc::busy, "a node hangs on a secret that was not issued: " + node.name);
  }
  RootRecord next = *record_;
  next.secured = true;
  next.restoring = issue.restore;
  if (issue.restore) next.acked = std::max(next.acked, issue.reported);
  AKM_TRY(core_.root.take(issue.nmm_id, issue.secrets));
  AKM_ASSIGN(const bool raised, raise_incarnation(parts_.store, parts_.counted, issue.incarnation));
  AKM_TRY(records_.save_progress(next));
  record_ = std::move(next);
  core_.registry.count_from(issue.reported);
  // Nodes refuse incarnations below that of the machine before this one.
  if (raised) anew_due_ = core_.now() + kAnewSoon;
  return {};
}

void RootLink::set_policy(const protocol::RequestReceived& request) {
  const auto body = protocol::PolicyUpdate::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  if (body->asr_id != 0) return respond(request, fail(Errc::not_supported));
  RootRecord next = *record_;
  next.node.identity.policy = body->policy;
  const Status saved = records_.save(next);
  if (saved) {
    record_ = std::move(next);
    core_.settings.policy = body->policy;
    say("root-policy", 6, "The Root has changed the policy of new relationships.");
  }
  respond(request, saved);
}

/// What the machine before this one had comes first: it may be older.
Status RootLink::configure(const protocol::RequestReceived& request) {
  AKM_ASSIGN(const auto part, protocol::ConfigureRequest::decode(request.body.reveal()));
  if (!parts_.configure) return fail(Errc::not_supported);
  if (!reporting()) return fail(Errc::busy, "the records of the machine before this one are on their way");
  return parts_.configure(part);
}

/// The next serial of this very relationship: its failsafe chain was used.
void RootLink::install(protocol::RequestReceived& request) {
  auto body = protocol::InstallRequest::decode(request.body.reveal());
  if (!body) return respond(request, std::unexpected(body.error()));
  const protocol::AsrDescription& asr = body->asr.description;
  const protocol::Member* self = asr.member(body->index);
  const bool own = asr.id == asr_id() && asr.kind == protocol::Kind::provisioning &&
                   body->index == protocol::kNodeIndex && self != nullptr &&
                   self->node_id == record_->node.identity.node_id;
  if (!own) return respond(request, fail(Errc::refused_by_policy, "not the Root's relationship"));
  protocol::RequestReceived head;
  head.asr_id = request.asr_id;
  head.request_id = request.request_id;
  head.method = request.method;
  head.expects_response = request.expects_response;
  const std::uint32_t serial = asr.generation;
  core_.post(protocol::InstallAsr{std::move(body->asr), body->index, true, body->retire},
             [this, serial, head = std::move(head)](const Status& status) {
               Status done = status;
               if (done) {
                 RootRecord next = *record_;
                 next.node.identity.serial = serial;
                 done = records_.save(next);
                 if (done) record_ = std::move(next);
               }
               respond(head, done);
             });
}

void RootLink::heard(bool answered) {
  if (answered == reached_) return;
  reached_ = answered;
  since_ = core_.now();
  if (fenced()) return;
  if (answered) {
    say("root-reached", 6, "The Root answers.");
  } else {
    say("root-outage", 5, "The Root does not answer: the NMM goes on, and reports later.");
  }
}

std::optional<Instant> RootLink::next_deadline() const {
  Earliest next;
  if (!under_way_) next.consider(due_);
  if (!report_under_way_) next.consider(report_due_);
  next.consider(anew_due_);
  next.consider(call_due_);
  return next.at();
}

void RootLink::deadline_reached(Instant now) {
  if (anew_due_ && *anew_due_ <= now) {
    anew_due_.reset();
    if (parts_.start_anew) parts_.start_anew();
  }
  if (due_ && !under_way_ && *due_ <= now) {
    due_.reset();
    if (fenced()) {
      (void)clear_away();
    } else if (forgetting()) {
      renew();
    } else if (record_->node.state == LinkState::active) {
      secure();
    } else {
      activate();
    }
  }
  if (call_due_ && *call_due_ <= now) call_nodes();
  if (report_due_ && !report_under_way_ && *report_due_ <= now) report();
}

void RootLink::show(StatusSnapshot& out) const {
  if (!record_) {
    out.root_state = "standalone";
    return;
  }
  const protocol::ProvisioningIdentity& identity = record_->node.identity;
  out.root_id = identity.nmm_id;
  out.root_name = identity.nmm_name;
  out.root_since_ns = since_ ? since_->ns : 0;
  if (!trouble_.empty()) out.findings.push_back(trouble_);
  if (fenced()) {
    out.state = "fenced";
    out.root_state = "fenced";
    out.findings.emplace_back(
        "Another machine has this NMM's place. This one holds no secrets any more and tells its nodes "
        "nothing; "
        "switch it off, or have the Root give the place back to it (akmctl root nmm replace)");
    return;
  }
  const bool joined = reporting();
  out.root_state = !joined ? "joining" : reached_ ? "reached" : "outage";
  if (joined) out.counters["root_pending"] = log_.pending(record_->acked);
  if (joined && !reached_)
    out.findings.emplace_back("The Root does not answer. The NMM goes on without it and reports later");
}

}  // namespace akm::nmm
