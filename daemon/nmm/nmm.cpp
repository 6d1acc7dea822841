#include "daemon/nmm/nmm.h"

#include <algorithm>
#include <chrono>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"

namespace akm::nmm {

Nmm::Nmm(const Core::Parts& parts, NmmSettings settings, NmmIdentity identity, NmmMachine machine)
    : core_(parts, std::move(settings)),
      identity_(std::move(identity)),
      machine_(std::move(machine)),
      membership_(core_),
      provisioner_(core_),
      token_preparation_(core_, provisioner_, [this] { settle(); }),
      tpm_provisioning_(core_, provisioner_, [this] { settle(); }),
      recovery_(core_, membership_),
      upkeep_(core_),
      attestations_(core_, recovery_),
      lifecycle_(core_, provisioner_, recovery_),
      incoming_({core_, provisioner_, recovery_, upkeep_, attestations_, lifecycle_}),
      expectations_(
          parts.store,
          [this](protocol::AsrId asr_id, const protocol::PolicyText& fields, Done done) {
            membership_.set_policy(asr_id, fields, std::move(done));
            upkeep_.policy_set(asr_id, core_.now());
          },
          [this](protocol::AsrId asr_id, const Error& why) {
            core_.announce("root-policy-refused", 4, message_id::kStateChanged,
                           "A policy of the Root's does not hold for a relationship.", asr_id,
                           {{"error", why.message()}});
          }),
      root_link_({core_, provisioner_, upkeep_, parts.store, identity_.counted,
                  [this]() -> Result<protocol::HardwareValue> {
                    if (machine_.hardware == nullptr) return fail(Errc::no_hardware_source);
                    return machine_.hardware->value();
                  },
                  machine_.start_anew,
                  [this](const protocol::ConfigureRequest& part) { return expectations_.take(part); }}),
      backups_({core_, identity_.incarnation, [this] { return stands_alone(); }}),
      restoration_({core_, provisioner_, upkeep_, parts.store, identity_.counted, machine_.start_anew,
                    [this] { return root_link_.asr_id() == 0; },
                    [this](std::string finding) { find(std::move(finding)); }}),
      joining_({core_, root_link_, parts.store, machine_.hardware, [this] { settle(); }}),
      guard_({core_, recovery_, std::move(machine_.probes), std::move(machine_.run_hooks),
              [this] { return root_link_.asr_id(); }, [this] { return !stopped(); },
              [this](const EventRecord& event) { root_link_.note(event); }, [this] { settle(); }}) {
  core_.witness = [this](const EventRecord& event) { root_link_.note(event); };
  core_.expected = [this](std::string_view name) { return expectations_.node(name); };
  core_.generations.hold_back([this](protocol::NodeId node_id) { return guard_.holds_back(node_id); });
  core_.generations.on_news([this](const GenerationNews& news) { this->news(news); });
  core_.generations.on_member_installed(
      [this](protocol::NodeId node_id, Instant now) { upkeep_.rekey_provisioning(node_id, now); });
  core_.generations.on_member_done([this](const RolloutPlan& plan, protocol::NodeId node_id, Instant now) {
    recovery_.track().member_done(plan, node_id, now);
  });
  core_.departures.on_quarantined(
      [this](protocol::NodeId node_id) { recovery_.track().quarantined(node_id); });
  core_.departures.on_gone([this](protocol::AsrId asr_id) { core_.asr_changed(asr_id); });
  core_.node_policies.on_changed([this] { settle(); });
  core_.policy_changes.on_told([this](protocol::AsrId asr_id) {
    core_.announce("policy-set", 6, message_id::kStateChanged,
                   "All members have a relationship's new policy.", asr_id, {});
  });
}

Status Nmm::start(const RunningClock::BootId& boot, io::Loop* loop) {
  const Instant now = core_.now();
  if (loop != nullptr) {
    direct_.emplace(*loop, dbus::RemoteRole::node, core_.settings.direct, [this] { settle(); });
  }
  if (const Status clock = core_.clock.load(boot, now); !clock) {
    if (clock.error().code != Errc::state_corrupt) return clock;
    find(clock.error().message() + "; the time of running begins anew: bundles that are out expire later");
  }
  AKM_TRY(core_.root.load());
  AKM_ASSIGN(const auto findings, core_.registry.load());
  for (const std::string& finding : findings) find(finding);
  AKM_ASSIGN(const bool calling, restoration_.resume());
  if (calling) settle();
  if (const Status tries = joining_.load(); !tries) find(tries.error().message());
  if (const Status expected = expectations_.load(); !expected) find(expected.error().message());
  if (const Status link = root_link_.resume(); !link) find("The Root: " + link.error().message());
  if (root_link_.stopped()) {
    settle();  // what is erased once more
    return {};
  }
  for (const auto& [node_id, node] : core_.registry.nodes()) {
    // One that was never activated was perhaps being prepared when the power went: nobody has its bundle.
    if (!calling && !root_link_.calling() && node.activated_serial != 0 && node.state != NodeState::retired &&
        !core_.shell.engine().view(node.provisioning_asr)) {
      find("The provisioning relationship of " + node.name +
           " is not there: this node is not reached until it is provisioned anew (akmctl nmm prepare " +
           node.name + ", on the node akmctl node zeroize and akmctl node provision)");
    }
    const std::string& known =
        node.peer.empty() && !node.endpoints.empty() ? node.endpoints.front() : node.peer;
    if (const auto endpoint = parse_endpoint(known)) {
      core_.post(protocol::SetPeerEndpoint{node.provisioning_asr, *endpoint});
    }
  }
  AKM_TRY(core_.generations.resume(now));
  core_.departures.resume(now);
  core_.policy_changes.resume(now);
  if (const Status policies = core_.node_policies.load(boot, now); !policies)
    find("Policies on detections, or maintenance windows, cannot be read: " + policies.error().message());
  recovery_.resume(boot);
  upkeep_.resume(now);
  guard_.resume(boot);
  if (core_.audit != nullptr) {
    core_.audit->on_impaired([this](std::map<std::string, std::string> evidence) {
      guard_.judge(sentry::audit_log_impaired(std::move(evidence), core_.now()));
    });
  }
  settle();
  return {};
}

void Nmm::find(std::string sentence) {
  log::write(log::Level::error, message_id::kStateDoubtful, sentence);
  identity_.findings.push_back(std::move(sentence));
}

void Nmm::set_observer(Observer observer) {
  core_.events.set_observer(observer.event);
  core_.observer = std::move(observer);
}

/// Requests come out of rollouts and errands, and their refusals go back into them, until nothing is left to
/// send.
void Nmm::settle() {
  if (settling_) return;
  settling_ = true;
  do {
    const Instant now = core_.now();
    if (!stopped()) {
      core_.departures.pump(now);
      core_.policy_changes.pump(now);
      core_.node_policies.pump(now);
      core_.generations.pump(now);
      root_link_.pump();
    }
    while (!core_.outbox.empty()) {
      Core::Outgoing next = std::move(core_.outbox.front());
      core_.outbox.pop_front();
      core_.shell.post(std::move(next.event), std::move(next.after));
    }
  } while (core_.generations.has_work() && !stopped());
  settling_ = false;
}

void Nmm::report(service::Report& report) {
  std::visit([this](auto& one) { handle(one); }, report);
  settle();
}

std::optional<Instant> Nmm::next_deadline() const {
  Earliest next;
  next.consider(core_.requests.next_deadline());
  next.consider(root_link_.next_deadline());
  next.consider(joining_.next_deadline());
  next.consider(guard_.next_deadline());
  next.consider(restoration_.next_deadline());
  if (stopped()) return next.at();
  next.consider(upkeep_.next_deadline());
  next.consider(lifecycle_.next_deadline());
  next.consider(core_.departures.next_deadline());
  next.consider(core_.policy_changes.next_deadline());
  next.consider(core_.node_policies.next_deadline());
  next.consider(core_.generations.next_deadline());
  return next.at();
}

void Nmm::deadline_reached() {
  const Instant now = core_.now();
  core_.requests.deadline_reached(now);
  root_link_.deadline_reached(now);
  joining_.deadline_reached(now);
  guard_.deadline_reached(now);
  restoration_.deadline_reached(now);
  if (!stopped()) {
    core_.departures.deadline_reached(now);
    core_.policy_changes.deadline_reached(now);
    core_.generations.deadline_reached(now);
    upkeep_.deadline_reached(now);
    lifecycle_.deadline_reached(now);
  }
  settle();
}

// Reports of the engine. What it tells of provisioning ASRs is their own matter, unless a node is behind it.

void Nmm::handle(protocol::AsrRetired&) {}
void Nmm::handle(protocol::AttemptFailed&) {}

/// Its node is away, as its missing heartbeats will tell too, or this state is an older copy. One that came
/// back by the failsafe chain is reached, and gets a new serial with its next heartbeat.
void Nmm::handle(protocol::ChainsExhausted& report) {
  const NodeRecord* node = core_.registry.node_by_provisioning_asr(report.asr_id);
  if (node == nullptr || node->out_of_reach) return;
  const auto view = core_.shell.engine().view(report.asr_id);
  if (view && view->failsafe_spent) return;
  core_.registry.volatile_part(node->node_id)->out_of_reach = true;
  core_.status_changed();
}

void Nmm::handle(service::KeysChanged&) {}

void Nmm::handle(protocol::SessionCommitted& report) {
  const NodeRecord* node = core_.registry.node_by_provisioning_asr(report.asr_id);
  if (node == nullptr) return;
  upkeep_.provisioning_rekeyed(node->node_id);
  guard_.provisioning_rekeyed(node->node_id);
}

void Nmm::handle(protocol::GenerationSwitched& report) {
  if (const NodeRecord* node = core_.registry.node_by_provisioning_asr(report.asr_id))
    incoming_.heard(node->node_id);
}

void Nmm::handle(protocol::ContradictionSeen& report) {
  incoming_.contradiction(report);
}
void Nmm::handle(protocol::RequestReceived& report) {
  if (report.asr_id == root_link_.asr_id()) return root_link_.request(report);
  if (stopped()) return;
  incoming_.request(report);
}

void Nmm::handle(protocol::ResponseReceived& report) {
  if (stopped() && report.asr_id != root_link_.asr_id()) return;
  if (const NodeRecord* node = core_.registry.node_by_provisioning_asr(report.asr_id))
    incoming_.heard(node->node_id);
  core_.requests.answered(report, core_.now());
}

void Nmm::handle(protocol::RequestTimedOut& report) {
  core_.requests.timed_out(report, core_.now());
}

void Nmm::handle(protocol::EventRefused& report) {
  log::warning("the engine refused " + report.event + ": " + report.error.message(),
               {{"AKM_ASR", hex_id(report.asr_id)}});
}

void Nmm::handle(service::EffectFailed& report) {
  log::error(report.effect + " failed: " + report.error.message(), {{"AKM_ASR", hex_id(report.asr_id)}});
}

void Nmm::news(const GenerationNews& news) {
  recovery_.news(news);
  core_.asr_changed(news.asr_id);
  const AsrRecord* record = core_.registry.asr(news.asr_id);
  if (news.report.what == RolloutReport::What::switching || record == nullptr) return;
  // Complete at once: one event. With stragglers: one when the others have it, one when the last has come.
  const bool last = news.report.what == RolloutReport::What::completed;
  if (!last && news.report.straggler_count == 0) return;
  upkeep_.renewed(news.asr_id, core_.now());
  std::string stragglers;
  for (const Straggler& straggler : news.report.stragglers) {
    stragglers +=
        (stragglers.empty() ? "" : ", ") + core_.name_of(straggler.node_id) + " (" + straggler.why + ")";
  }
  const Instant end = std::max(news.last_answer, news.started);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(end - news.started);
  core_.announce(
      "generation-installed", last ? 6 : 4, message_id::kGenerationInstalled,
      last ? "All members have a new generation." : "A new generation is installed, but not in all members.",
      news.asr_id,
      {{"label", record->description.label},
       {"generation", std::to_string(news.generation)},
       {"reason", std::string(reason_name(news.reason))},
       {"members", std::to_string(news.members)},
       {"installed", std::to_string(news.done)},
       {"stragglers", stragglers},
       {"took_us", std::to_string(took.count())},
       {"last_member_boottime_ns", std::to_string(end.ns)}});
}

// The control port.

Status Nmm::may_act() const {
  if (stopped() && !root_link_.fenced()) return fail(Errc::busy, "the daemon starts anew");
  if (root_link_.fenced()) return fail(Errc::wrong_state, "another machine has this NMM's place");
  if (root_link_.restoring())
    return fail(Errc::busy, "the records of the machine before this one are coming");
  return {};
}

void Nmm::create_root_secret(Done done) {
  if (root_link_.asr_id() != 0) return done(fail(Errc::wrong_state, "the Root issues the root secret"));
  const Status created = core_.root.create();
  if (created) {
    core_.announce("root-secret-created", 5, message_id::kStateChanged,
                   "A provisioning root secret was drawn.", 0, {{"nmm_id", hex_id(core_.root.nmm_id())}});
    core_.status_changed();
  }
  done(created);
  settle();
}

void Nmm::prepare_bundle(Prepare what, Destination to, Reply<Prepared> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  provisioner_.prepare_file(what, to, [this] { settle(); }, std::move(reply));
}

void Nmm::list_drives(Reply<std::vector<DriveSnapshot>> reply) {
  provisioner_.list_drives(std::move(reply));
}

void Nmm::prepare_token(Prepare what, const std::string& uri, UniqueFd pin, Reply<PreparedOnToken> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  token_preparation_.start(std::move(what), uri, pin, std::move(reply));
  settle();
}

void Nmm::prepare_for_tpm(PrepareForTpm what, Reply<PreparedForTpm> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  tpm_provisioning_.prepare(std::move(what), std::move(reply));
  settle();
}

/// The hardware value is what the node itself has said.
service::DirectProvisioning::Make Nmm::maker(Prepare what) {
  return [this, what = std::move(what)](const dbus::RemoteOffer& offer, service::BundleReply made) mutable {
    what.hardware_value = offer.value;
    made(provisioner_.prepare(what));
  };
}

void Nmm::provision_direct(Prepare what, const std::string& bus_address, Reply<std::uint64_t> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  if (!direct_) {
    reply(fail(Errc::not_supported, "direct provisioning"));
    return;
  }
  direct_->start(maker(std::move(what)), bus_address, std::move(reply));
  settle();
}

void Nmm::begin_direct(Prepare what, const std::string& bus_address, Reply<DirectOffer> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  if (!direct_) return reply(fail(Errc::not_supported, "direct provisioning"));
  direct_->begin(maker(std::move(what)), bus_address, std::move(reply));
  settle();
}

void Nmm::confirm_direct(std::uint64_t handle, const std::string& fingerprint, Reply<std::uint64_t> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  if (!direct_) return reply(fail(Errc::not_supported, "direct provisioning"));
  direct_->confirm(handle, fingerprint, std::move(reply));
  settle();
}

void Nmm::create_asr(const std::string& label, std::vector<std::uint64_t> node_ids,
                     std::map<std::string, std::string> policy, Reply<std::uint64_t> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  membership_.create(label, node_ids, policy, std::move(reply));
  settle();
}

void Nmm::add_member(std::uint64_t asr_id, std::uint64_t node_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  membership_.add(asr_id, node_id, std::move(done));
  settle();
}

void Nmm::remove_member(std::uint64_t asr_id, std::uint64_t node_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  membership_.remove(asr_id, node_id, std::move(done));
  settle();
}

void Nmm::rekey(std::uint64_t asr_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  membership_.rekey(asr_id, std::move(done));
  settle();
}

void Nmm::set_policy(std::uint64_t asr_id, std::map<std::string, std::string> policy, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  membership_.set_policy(asr_id, policy, std::move(done));
  upkeep_.policy_set(asr_id, core_.now());
  settle();
}

void Nmm::delete_asr(std::uint64_t asr_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  membership_.erase(asr_id, std::move(done));
  settle();
}

void Nmm::quarantine(std::uint64_t node_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  recovery_.quarantine(node_id, std::move(done));
  settle();
}

void Nmm::attest(std::uint64_t node_id, bool accept, Reply<Attested> reply) {
  if (const Status may = may_act(); !may) return reply(std::unexpected(may.error()));
  attestations_.attest(node_id, accept, std::move(reply));
  settle();
}

void Nmm::set_golden_pcrs(std::uint64_t node_id, std::array<std::uint8_t, 32> pcr_digest, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  done(attestations_.set_golden(node_id, pcr_digest));
  settle();
}

void Nmm::readmit(std::uint64_t node_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  recovery_.readmit(node_id, std::move(done));
  settle();
}

Result<std::vector<std::pair<std::string, std::string>>> Nmm::describe(std::uint64_t node_id) const {
  return lifecycle_.describe(node_id);
}

void Nmm::reprovision(std::uint64_t node_id, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  lifecycle_.reprovision(node_id, std::move(done));
  settle();
}

void Nmm::rehome(std::uint64_t node_id, std::vector<std::uint8_t> hardware_value, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  lifecycle_.rehome(node_id, hardware_value, std::move(done));
  settle();
}

void Nmm::retire(std::uint64_t node_id, bool forget, Done done) {
  if (const Status may = may_act(); !may) return done(may);
  lifecycle_.retire(node_id, forget, std::move(done));
  settle();
}

Result<ControlPort::HardwareIdentity> Nmm::hardware_identity() {
  if (machine_.hardware == nullptr) return fail(Errc::no_hardware_source);
  return machine_.hardware->identity();
}

void Nmm::provision_from_file(const std::string& path, UniqueFd code, Done done) {
  joining_.from_file(path, std::move(code), std::move(done));
}

void Nmm::provision_from_memfd(UniqueFd bundle, Done done) {
  joining_.from_memfd(bundle, std::move(done));
}

void Nmm::provision_from_token(const std::string& uri, UniqueFd pin, Done done) {
  joining_.from_token(uri, std::move(pin), std::move(done));
}

void Nmm::provision_sealed(std::vector<std::uint8_t> sealed, Done done) {
  joining_.from_handover(sealed, std::move(done));
}

void Nmm::accept_hardware(Done done) {
  done(fail(Errc::wrong_state, "this NMM runs on the hardware that its state is bound to"));
}

}  // namespace akm::nmm
