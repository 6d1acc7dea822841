#include "daemon/root/root.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/bundle_writing.h"
#include "daemon/nmm/tpm_writing.h"
#include "daemon/service/snapshot.h"
#include "daemon/service/token_writing.h"

namespace akm::root {

Root::Root(const Parts& parts, RootSettings settings, RootIdentity identity)
    : core_(parts, std::move(settings)),
      identity_(std::move(identity)),
      configuration_(parts.configuration),
      database_state_(parts.database_state),
      issuer_(core_),
      receiver_(core_) {
  core_.settle = [this] { settle(); };
}

Status Root::start(const nmm::RunningClock::BootId& boot, io::Loop* loop) {
  const Instant now = core_.now();
  if (loop != nullptr)
    direct_.emplace(*loop, dbus::RemoteRole::nmm, core_.settings.direct, [this] { settle(); });
  if (const Status clock = core_.clock.load(boot, now); !clock) {
    if (clock.error().code != Errc::state_corrupt) return clock;
    identity_.findings.push_back(clock.error().message());
  }
  AKM_TRY(core_.secret.load());
  AKM_ASSIGN(const auto findings, core_.book.load());
  for (const std::string& finding : findings) {
    log::write(log::Level::error, message_id::kStateDoubtful, finding);
    identity_.findings.push_back(finding);
  }
  for (const auto& [nmm_id, record] : core_.book.all()) {
    const bool never_heard = record.peer.empty() && !record.endpoints.empty();
    if (const auto endpoint = parse_endpoint(never_heard ? record.endpoints.front() : record.peer))
      core_.post(protocol::SetPeerEndpoint{record.asr_id, *endpoint});
    if (record.activated_serial != 0 && !core_.shell.engine().view(record.asr_id)) {
      identity_.findings.push_back("The relationship with " + record.name +
                                   " is not there: prepare it anew (akmctl root nmm prepare " + record.name +
                                   ")");
    }
  }
  receiver_.resume();
  settle();
  return {};
}

void Root::set_observer(Observer observer) {
  core_.events.set_observer(observer.event);
  core_.observer = std::move(observer);
}

void Root::settle() {
  if (settling_) return;
  settling_ = true;
  while (!core_.outbox.empty()) {
    RootCore::Outgoing next = std::move(core_.outbox.front());
    core_.outbox.pop_front();
    core_.shell.post(std::move(next.event), std::move(next.after));
  }
  settling_ = false;
}

void Root::report(service::Report& report) {
  std::visit([this](auto& one) { handle(one); }, report);
  settle();
}

std::optional<Instant> Root::next_deadline() const {
  Earliest next;
  next.consider(core_.requests.next_deadline());
  next.consider(receiver_.next_deadline());
  next.consider(core_.clock.next_save());
  return next.at();
}

void Root::deadline_reached() {
  const Instant now = core_.now();
  core_.requests.deadline_reached(now);
  receiver_.deadline_reached(now);
  if (core_.clock.next_save() <= now) (void)core_.clock.save(now);  // the next one is as good
  settle();
}

void Root::policy_changed() {
  receiver_.policy_changed();
  settle();
}

void Root::records_changed() {
  receiver_.records_changed();
  settle();
}

void Root::database_reached() {
  receiver_.count_reported();
}

/// Two live copies of an NMM, or an old one: what its operator has to look into.
void Root::handle(protocol::ContradictionSeen& report) {
  const NmmRecord* record = core_.book.by_asr(report.asr_id);
  if (record == nullptr) return;
  const bool cloned = report.what == protocol::Contradiction::cloned_identity;
  core_.announce(cloned ? "nmm-cloned" : "nmm-stale", 2,
                 cloned ? "Two machines speak as one NMM." : "An older copy of an NMM speaks.",
                 {{"nmm", record->name},
                  {"nmm_id", hex_id(record->nmm_id)},
                  {"from", format_endpoint(report.from)},
                  {"expected_at", report.expected ? format_endpoint(*report.expected) : ""}});
}

void Root::handle(protocol::ResponseReceived& report) {
  core_.requests.answered(report, core_.now());
}

void Root::handle(protocol::RequestTimedOut& report) {
  core_.requests.timed_out(report, core_.now());
}

void Root::handle(protocol::EventRefused& report) {
  log::warning("the engine refused " + report.event + ": " + report.error.message(),
               {{"AKM_ASR", hex_id(report.asr_id)}});
}

void Root::handle(service::EffectFailed& report) {
  log::error(report.effect + " failed: " + report.error.message(), {{"AKM_ASR", hex_id(report.asr_id)}});
}

// The control port.

StatusSnapshot Root::status() const {
  StatusSnapshot out;
  out.state = core_.secret.nmm_id() == 0 ? "no-root-secret" : "ready";
  out.root_id = core_.secret.nmm_id();
  out.name = core_.settings.name;
  out.version = AKM_VERSION;
  out.key_storage = identity_.key_storage;
  out.hardware_protected = identity_.hardware_protected;
  out.incarnation = identity_.incarnation;
  out.io_backend = identity_.io_backend;
  out.listen = identity_.listen;
  out.findings = identity_.findings;
  if (database_state_) {
    const DatabaseState database = database_state_();
    out.database = database.description;
    out.revision = database.revision;
    out.pruned_to = database.pruned_to;
    if (database.failure) {
      out.state = "database-unavailable";
      out.findings.push_back("The database cannot be used: " + database.failure->message());
    }
  }
  for (const auto& [nmm_id, record] : core_.book.all()) {
    if (!record.fenced.empty())
      out.findings.push_back(
          "A former machine of " + record.name +
          " has not answered yet that it is fenced off: where it still runs, nodes that the "
          "new one has not reached follow it");
    if (record.state == NmmState::active && record.secrets.empty())
      out.findings.push_back(record.name + " has not handed up its root secret: it cannot be replaced yet");
  }
  out.counters = service::counter_map(core_.shell.engine().counters());
  out.counters["store_failures"] = core_.shell.counters().store_failures;
  out.counters["events_dropped"] = core_.shell.counters().events_dropped;
  out.counters["nmms"] = core_.book.all().size();
  return out;
}

std::vector<NmmSnapshot> Root::nmms() const {
  std::vector<NmmSnapshot> out;
  for (const auto& [nmm_id, record] : core_.book.all()) {
    NmmSnapshot& shown = out.emplace_back();
    const NmmPresence* presence = receiver_.presence(nmm_id);
    const bool silent = presence != nullptr && presence->silent;
    shown.nmm_id = nmm_id;
    shown.name = record.name;
    shown.state = record.state == NmmState::prepared ? "prepared" : silent ? "silent" : "active";
    shown.serial = record.serial;
    shown.endpoint = record.peer;
    shown.version = record.version;
    if (presence == nullptr) continue;
    shown.last_heard_ns = presence->last_heard.ns;
    shown.nodes = static_cast<std::uint32_t>(presence->reported.nodes.size());
    shown.asrs = static_cast<std::uint32_t>(presence->reported.asrs.size());
  }
  std::ranges::sort(out, {}, &NmmSnapshot::name);
  return out;
}

void Root::create_root_secret(Done done) {
  const Status created = core_.secret.create();
  if (created) {
    core_.announce("root-secret-created", 5, "The root secret of the domain was drawn.",
                   {{"root_id", hex_id(core_.secret.nmm_id())}});
    core_.status_changed();
  }
  done(created);
}

/// Credentials by whatever way they travel: a new NMM's, or those of a machine in a lost one's place.
void Root::issue(const Prepare& what, const std::string& who, service::BundleReply made) {
  if (what.replaces != 0) {
    issuer_.replace(what.replaces, what.hardware_value, who, std::move(made));
  } else {
    issuer_.prepare(what, who, std::move(made));
  }
  settle();
}

Result<Root::Prepare> Root::replacing(std::uint64_t nmm_id) const {
  const NmmRecord* record = core_.book.find(nmm_id);
  if (record == nullptr) return fail(Errc::not_found, "NMM " + hex_id(nmm_id));
  Prepare what;
  what.nmm_name = record->name;
  what.replaces = nmm_id;
  return what;
}

/// The bundle of a replacement has the name of the NMM that was lost.
Status Root::name_lost(Prepare& what) const {
  if (what.replaces == 0) return {};
  AKM_ASSIGN(const Prepare lost, replacing(what.replaces));
  what.nmm_name = lost.nmm_name;
  return {};
}

void Root::write_file(const Prepare& what, const std::string& directory, const std::string& who,
                      Reply<Prepared> reply) {
  nmm::write_bundle(
      core_.run_aside, {directory, false}, what.nmm_name,
      [this, what, who](service::BundleReply made) { issue(what, who, std::move(made)); },
      [reply = std::move(reply)](Result<nmm::WrittenBundle> written) mutable {
        if (!written) return reply(std::unexpected(written.error()));
        reply(Prepared{written->id, std::move(written->path), std::move(written->code)});
      });
}

void Root::prepare_nmm(Prepare what, const std::string& directory, const std::string& who,
                       Reply<Prepared> reply) {
  write_file(what, directory, who, std::move(reply));
}

void Root::replace_nmm(std::uint64_t nmm_id, std::vector<std::uint8_t> hardware_value,
                       const std::string& directory, const std::string& who, Reply<Prepared> reply) {
  auto what = replacing(nmm_id);
  if (!what) return reply(std::unexpected(what.error()));
  what->hardware_value = std::move(hardware_value);
  write_file(*what, directory, who, std::move(reply));
}

void Root::prepare_nmm_on_token(Prepare what, const std::string& uri, UniqueFd pin, const std::string& who,
                                Reply<PreparedOnToken> reply) {
  if (const Status named = name_lost(what); !named) return reply(std::unexpected(named.error()));
  const std::string name = what.nmm_name;
  service::write_token(
      core_.run_aside, {core_.settings.pkcs11_module, uri}, pin, name,
      [this, what = std::move(what), who](service::BundleReply made) { issue(what, who, std::move(made)); },
      [reply = std::move(reply)](Result<service::WrittenToken> written) mutable {
        if (!written) return reply(std::unexpected(written.error()));
        reply(PreparedOnToken{written->id, std::move(written->token), written->sealed});
      });
}

void Root::prepare_nmm_for_tpm(Prepare what, std::vector<std::uint8_t> identity, const std::string& place,
                               const std::string& who, Reply<PreparedForTpm> reply) {
  if (const Status named = name_lost(what); !named) return reply(std::unexpected(named.error()));
  nmm::TpmAsked asked{what.nmm_name,
                      std::move(identity),
                      place,
                      core_.settings.tpm_roots,
                      core_.settings.ek_certificate_required,
                      core_.settings.ek_certificate_in_time};
  nmm::write_tpm_bundle(
      core_.run_aside, std::move(asked),
      [this, what = std::move(what), who](const protocol::NodeIdentity& machine, const nmm::WrittenForTpm&,
                                          service::BundleReply made) mutable {
        what.hardware_value.assign(machine.hardware_value.begin(), machine.hardware_value.end());
        issue(what, who, std::move(made));
      },
      [reply = std::move(reply)](Result<nmm::WrittenForTpm> written) mutable {
        if (!written) return reply(std::unexpected(written.error()));
        reply(PreparedForTpm{written->id, std::move(written->path), std::move(written->fingerprint),
                             std::move(written->digest), written->certified,
                             std::move(written->certificate)});
      });
}

/// The hardware value is what the machine itself has said, and so is the id of one that stands alone.
service::DirectProvisioning::Make Root::maker(Prepare what, const std::string& who) {
  return
      [this, what = std::move(what), who](const dbus::RemoteOffer& offer, service::BundleReply made) mutable {
        what.hardware_value = offer.value;
        if (what.replaces == 0) what.nmm_id = offer.nmm_id;
        if (what.replaces != 0 && offer.nmm_id != 0 && offer.nmm_id != what.replaces)
          return made(fail(Errc::refused_by_policy, "that machine is NMM " + hex_id(offer.nmm_id)));
        issue(what, who, std::move(made));
      };
}

void Root::begin_direct(Prepare what, const std::string& bus_address, const std::string& who,
                        Reply<DirectOffer> reply) {
  if (!direct_) return reply(fail(Errc::not_supported, "direct provisioning"));
  if (const Status named = name_lost(what); !named) return reply(std::unexpected(named.error()));
  direct_->begin(maker(std::move(what), who), bus_address, std::move(reply));
}

void Root::confirm_direct(std::uint64_t handle, const std::string& fingerprint, Reply<std::uint64_t> reply) {
  if (!direct_) return reply(fail(Errc::not_supported, "direct provisioning"));
  direct_->confirm(handle, fingerprint, std::move(reply));
  settle();
}

void Root::provision_nmm(Prepare what, const std::string& bus_address, const std::string& who,
                         Reply<std::uint64_t> reply) {
  if (!direct_) return reply(fail(Errc::not_supported, "direct provisioning"));
  direct_->start(maker(std::move(what), who), bus_address, std::move(reply));
}

void Root::replace_nmm_direct(std::uint64_t nmm_id, const std::string& bus_address, const std::string& who,
                              Reply<std::uint64_t> reply) {
  auto what = replacing(nmm_id);
  if (!what) return reply(std::unexpected(what.error()));
  provision_nmm(std::move(*what), bus_address, who, std::move(reply));
}

}  // namespace akm::root
