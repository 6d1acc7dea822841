#include "daemon/node/node.h"

#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/service/snapshot.h"

namespace akm::node {
namespace {

constexpr Duration kActivationPauseFirst = std::chrono::seconds(1);
constexpr Duration kActivationPauseMost = std::chrono::minutes(2);
constexpr Duration kReportPauseFirst = std::chrono::milliseconds(200);
constexpr Duration kReportPauseMost = std::chrono::seconds(30);

}  // namespace

Node::Node(const NodeSettings& settings, Parts parts)
    : settings_(settings),
      parts_(std::move(parts)),
      exports_(
          {.keys = parts_.keys,
           .view = [this](protocol::AsrId id) { return shell_ ? shell_->engine().view(id) : std::nullopt; },
           .changed = [this](protocol::AsrId id, const ExportedKey& key,
                             bool revoked) { export_changed(id, key, revoked); }},
          settings.consumers),
      link_([this](protocol::Event event, service::AfterStep after) {
        shell_->post(std::move(event), std::move(after));
      }),
      sentry_(
          settings.responses, std::move(parts_.probes),
          std::chrono::seconds(settings.probes.check_interval_s), parts_.now,
          [this](const policy::Detection& detection, const policy::Decision& decision) {
            decided(detection, decision);
          },
          sentry::OurPrograms(settings.probes.programs())),
      rules_({.store = parts_.store,
              .boot = parts_.machine.boot_id,
              .own = settings.responses,
              .file = settings.policy_words,
              .now = parts_.now,
              .use = [this](const policy::NodePolicy& policy) { sentry_.policy(policy); },
              .maintain =
                  [this](std::optional<Instant> until) {
                    sentry_.maintenance(until);
                    heartbeat_soon();  // the NMM is to know
                  },
              .say =
                  [this](EventRecord event, std::string_view sentence) {
                    say(std::move(event), message_id::kPolicyChanged, sentence);
                  }}),
      activation_backoff_(kActivationPauseFirst, kActivationPauseMost),
      report_backoff_(kReportPauseFirst, kReportPauseMost) {
  if (parts_.store == nullptr) {
    state_ = NodeState::sealed_unavailable;
    return;
  }
  records_.emplace(*parts_.store);
  import_.emplace(import_parts());
  shell_.emplace(service::Shell::Parts{*parts_.store, parts_.keys, parts_.random, parts_.send, parts_.now,
                                       parts_.data.receive,
                                       service::FrameNews{[this](auto asr_id) { gate_->stored(asr_id); },
                                                          [this](auto asr_id) { gate_->forgotten(asr_id); },
                                                          [this](auto& from) { gate_->authentic(from); }}},
                 parts_.engine, [this](service::Report& one) { report(one); });
  gate_.emplace(service::GateKeeper::Parts{std::move(parts_.gate), &shell_->engine(), parts_.now,
                                           [this](const policy::Detection& one) { sentry_.judge(one); }});
}

void Node::start() {
  if (!shell_) return;
  rules_.start();
  load_policy_memory();
  resume();
  gate_->start();
  if (parts_.keys != nullptr) sentry_.guard(*parts_.keys);
  if (parts_.audit != nullptr) {
    parts_.audit->on_impaired([this](std::map<std::string, std::string> evidence) {
      sentry_.judge(sentry::audit_log_impaired(std::move(evidence), parts_.now()));
    });
  }
  for (const protocol::AsrId asr_id : operational()) join_group_of(asr_id);
  if (const Status loaded = import_->load(); !loaded) findings_["bundle-tries"] = loaded.error().message();
  load_leftover();
}

void Node::resume() {
  auto loaded = records_->load();
  if (loaded) record_ = std::move(*loaded);
  for (const std::string& finding : shell_->restore()) {
    findings_["restore " + std::to_string(findings_.size())] = finding;
    say({.name = "record-unusable", .severity = 3, .fields = {{"error", finding}}}, {},
        "A stored relationship cannot be used; its file was kept, and the NMM brings a new generation");
  }
  const bool whole = record_ && shell_->engine().view(record_->identity.asr_id);
  if (!whole) {
    if (record_ || !loaded) {
      // One damaged record is no reason to leave the groups: they go on, and new credentials bring the NMM
      // back. The node's own record stays in its place: without it the groups would have no owner.
      findings_["credentials"] =
          "The provisioning credentials cannot be used: the NMM is not reachable until the node is "
          "provisioned anew (akmctl nmm prepare, akmctl node provision)";
      if (!loaded) unusable_record(loaded.error());
      record_.reset();
      return;
    }
    // Provisioning or zeroize was interrupted: relationships without an owner are of no use to anybody.
    for (const protocol::AsrId id : shell_->engine().relationships()) shell_->post(protocol::RetireAsr{id});
    return;
  }
  link_.use(record_->identity.asr_id);
  state_ = record_->state;
  compare_hardware();
  if (state_ == NodeState::quarantined && parts_.audit != nullptr)
    incidents_.stand(parts_.audit->incident_of(""), parts_.now());
  if (state_ == NodeState::quarantined) shell_->post(protocol::EraseOperational{});
  if (!record_->pending_report.empty()) report_due_ = parts_.now();
  if (has_nmm()) heartbeat_due_ = parts_.now();
  if (state_ == NodeState::provisioned && settings_.activate_automatically) activation_due_ = parts_.now();
}

void Node::unusable_record(const Error& error) {
  findings_["node-record"] = error.message();
  say({.name = "state-unusable", .severity = 2, .fields = {{"error", error.message()}}},
      message_id::kStateDoubtful, "The node's own record cannot be used");
}

void Node::set_state(NodeState state) {
  if (state_ == state) return;
  const std::string before(node_state_name(state_));
  state_ = state;
  say({.name = "state-changed",
       .severity = 5,
       .fields = {{"from", before}, {"to", std::string(node_state_name(state))}}},
      message_id::kStateChanged, "The node's state changed");
  status_changed();
}

Status Node::save_state(NodeState state) {
  NodeRecord changed = *record_;
  changed.state = state;
  AKM_TRY(records_->save(changed));
  record_ = std::move(changed);
  return {};
}

std::vector<protocol::AsrId> Node::operational() const {
  std::vector<protocol::AsrId> out;
  if (!shell_) return out;
  for (const protocol::AsrId id : shell_->engine().relationships()) {
    if (id != link_.provisioning()) out.push_back(id);
  }
  return out;
}

void Node::say(EventRecord record, std::string_view message_id, std::string_view sentence) {
  if (record.boottime_ns == 0) record.boottime_ns = parts_.now().ns;
  if (const std::uint64_t incident = standing_incident(); incident != 0)
    record.fields.emplace("incident", hex_id(incident));
  parts_.events.add(std::move(record), message_id, sentence);
}

void Node::asr_changed(protocol::AsrId asr_id) {
  if (observer_.asr_changed) observer_.asr_changed(asr_id);
}

void Node::status_changed() {
  if (observer_.status_changed) observer_.status_changed();
}

StatusSnapshot Node::status() const {
  StatusSnapshot out;
  out.state = state_;
  if (record_) {
    out.node_id = record_->identity.node_id;
    out.node_name = record_->identity.node_name;
    out.nmm_id = record_->identity.nmm_id;
    out.nmm_name = record_->identity.nmm_name;
  }
  out.version = AKM_VERSION;
  out.key_storage = parts_.facts.key_storage;
  out.hardware_protected = parts_.facts.hardware_protected;
  out.incarnation = parts_.engine.incarnation;
  out.io_backend = parts_.facts.io_backend;
  out.listen = parts_.facts.listen;
  if (parts_.keys != nullptr) out.keyring = parts_.keys->keyring_serial();
  out.findings = parts_.facts.findings;
  for (const auto& [name, sentence] : findings_) out.findings.push_back(sentence);
  for (std::string& finding : sentry_.findings()) out.findings.push_back(std::move(finding));
  if (parts_.audit != nullptr) {
    for (std::string& finding : parts_.audit->findings()) out.findings.push_back(std::move(finding));
  }
  out.probes = sentry_.health();
  out.bundles = bundles();
  out.counters = counters_;
  out.counters.merge(sentry_.counters());
  if (gate_) {
    if (const auto health = gate_->health()) out.probes.emplace_back("D26, D27", "gate: " + *health);
    for (std::string& finding : gate_->findings()) out.findings.push_back(std::move(finding));
    out.counters.merge(gate_->counters());
  }
  if (shell_) {
    out.counters.merge(service::counter_map(shell_->engine().counters()));
    out.counters.emplace("store_failures", shell_->counters().store_failures);
    out.counters.emplace("key_failures", shell_->counters().key_failures);
    out.counters.emplace("events_dropped", shell_->counters().events_dropped);
  }
  out.handover_fingerprint = handover_.fingerprint(parts_.now());
  out.changed_sources = changed_sources_;
  if (parts_.data.add_to_status) parts_.data.add_to_status(out);
  return out;
}

std::vector<AsrSnapshot> Node::asrs() const {
  std::vector<AsrSnapshot> out;
  if (!shell_) return out;
  for (const protocol::AsrId id : shell_->engine().relationships()) {
    if (const auto view = shell_->engine().view(id)) {
      out.push_back(service::asr_snapshot(*view, parts_.now(), parts_.keys));
      if (parts_.data.add_to_asr) parts_.data.add_to_asr(out.back());
      out.back().exported_keys = exports_.of(id);
    }
  }
  return out;
}

void Node::rekey(std::uint64_t asr_id, Done done) {
  if (!shell_) return done(fail(Errc::sealed_unavailable));
  if (!shell_->engine().view(asr_id)) return done(fail(Errc::not_found, "no such relationship"));
  if (rekey_waiters_.size() >= kWaitersMax) return done(fail(Errc::busy, "too many wait for a rekey"));
  rekey_waiters_.emplace_back(asr_id, std::move(done));
  shell_->post(protocol::RequestRekey{asr_id}, [this, asr_id](const Status& status) {
    if (!status) answer_rekey(asr_id, status);
  });
}

void Node::answer_rekey(protocol::AsrId asr_id, const Status& outcome) {
  std::vector<Done> answered;
  std::erase_if(rekey_waiters_, [&](auto& waiter) {
    if (waiter.first != asr_id) return false;
    answered.push_back(std::move(waiter.second));
    return true;
  });
  for (Done& done : answered) done(outcome);
}

std::optional<Instant> Node::next_deadline() const {
  std::optional<Instant> out = sentry_.next_deadline();
  for (const auto& due :
       {save_due_, memory_due_, activation_due_, heartbeat_due_, report_due_, look_due_, leave_due_,
        handover_.ends(), rules_.next_deadline(), gate_ ? gate_->next_deadline() : std::nullopt}) {
    if (due && (!out || *due < *out)) out = due;
  }
  return out;
}

void Node::deadline_reached() {
  const Instant now = parts_.now();
  const auto take = [now](std::optional<Instant>& due) {
    if (!due || now < *due) return false;
    due.reset();
    return true;
  };
  if (take(leave_due_) && parts_.begin_anew) return parts_.begin_anew();
  if (take(save_due_)) save_record();
  if (take(memory_due_)) save_policy_memory();
  if (take(report_due_)) send_pending_report();
  if (take(activation_due_)) try_activation();
  if (take(heartbeat_due_)) send_heartbeat();
  if (take(look_due_)) look_at_drives();
  if (const auto ends = handover_.ends(); ends && *ends <= now) {
    handover_.forget();
    status_changed();
  }
  rules_.deadline_reached();
  sentry_.deadline_reached();
  if (gate_) gate_->deadline_reached();
}

}  // namespace akm::node
