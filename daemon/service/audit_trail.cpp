#include "daemon/service/audit_trail.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/wall_time.h"
#include "daemon/service/audit_reading.h"

namespace akm::service {
namespace {

// Of what may wait. A power cut takes no more than this with it.
constexpr Duration kSyncAfter = std::chrono::seconds(5);
constexpr Duration kCriticalSealAfter = std::chrono::seconds(1);
// A disk that was full has room again at some time: what is missing is then told, and what stands is sealed.
constexpr Duration kTryAgain = std::chrono::seconds(1);
constexpr Duration kGateWindow = std::chrono::minutes(1);
constexpr std::uint8_t kCritical = 2;
constexpr std::uint8_t kWarning = 4;
constexpr std::uint8_t kNotice = 5;
constexpr std::size_t kIncidentsRemembered = 4096;

/// News of every day are not: keys that were agreed on as they should be.
bool belongs(const EventRecord& event) {
  return event.severity <= kNotice || event.fields.contains("incident") || event.fields.contains("class");
}

std::uint32_t number_in(const std::map<std::string, std::string>& fields, const std::string& name) {
  const auto at = fields.find(name);
  if (at == fields.end() || at->second.size() > 9) return 0;
  std::uint32_t out = 0;
  for (const char c : at->second) {
    if (c < '0' || c > '9') return 0;
    out = out * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return out;
}

}  // namespace

std::string audit_folder(const Settings& settings) {
  return settings.state_folder + "/audit";
}

std::string former_audit_folder(const Settings& settings) {
  return settings.state_folder + "/audit.former";
}

AuditTrail::~AuditTrail() {
  parts_.events.set_audit({});
  end();
}

AuditRecord AuditTrail::record_now(std::string name, std::uint8_t severity) const {
  AuditRecord out;
  out.boottime_ns = parts_.now().ns;
  out.unix_ns = wall_time_ns();
  out.start = parts_.start;
  out.severity = severity;
  out.name = std::move(name);
  return out;
}

void AuditTrail::open() {
  if (!parts_.key || parts_.store == nullptr) return;
  if (const Status opened = open_log(); !opened) failed(opened.error());
  parts_.events.set_audit([this](const EventRecord& event) { note(event); });
}

Result<std::optional<store::AuditAnchor>> AuditTrail::load_anchor() {
  const auto record = parts_.store->read(kAuditRecord);
  if (!record && record.error().code == Errc::not_found) return std::nullopt;
  if (!record) return std::unexpected(record.error());
  AKM_ASSIGN(const store::AuditAnchor anchor, store::AuditAnchor::decode(record->reveal()));
  return anchor;
}

/// A log without an anchor is that of a state that was erased, or its anchor is what was erased: then its
/// seals are by this state's key.
Status AuditTrail::set_former_aside() {
  if (parts_.state_in_use) {
    damaged("the sealed record that says how long the log is was removed");
    return {};
  }
  const auto found = store::check_audit(parts_.folder, {.key = parts_.key.get(), .anchor = {}, .visit = {}});
  if (!found && found.error().code == Errc::not_found) return {};
  if (!found) return std::unexpected(found.error());
  if (found->verdict.files == 0) return {};
  if (found->verdict.sealed > 0) {
    damaged("the sealed record that says how long the log is was removed");
    return {};
  }
  std::error_code error;
  std::filesystem::remove_all(parts_.former, error);
  if (std::rename(parts_.folder.c_str(), parts_.former.c_str()) != 0)
    return fail_errno(Errc::storage_failed, "rename " + parts_.folder);
  log::write(log::Level::notice, {}, "The audit log of the state before this one was set aside",
             {{"AKM_FOLDER", parts_.former}});
  return {};
}

Status AuditTrail::open_log() {
  auto anchor = load_anchor();
  if (!anchor) {
    damaged("the sealed record of the log cannot be used: " + anchor.error().message());
    anchor = std::optional<store::AuditAnchor>();
  } else if (!*anchor) {
    AKM_TRY(set_former_aside());
  }
  AKM_ASSIGN(auto opened, store::AuditLog::open(parts_.folder, *parts_.key, parts_.limits, *anchor,
                                                [this](const AuditRecord& record, const auto&, const auto&) {
                                                  remember(record);
                                                }));
  log_ = std::move(opened.log);
  if (!*anchor) {
    // Before the first record: what a power cut leaves of one is told from somebody's work by it.
    AKM_TRY(log_->sync());
    AKM_TRY(parts_.store->write(kAuditRecord, log_->anchor().encode()));
  }
  AuditRecord begun = record_now("audit-opened", kNotice);
  begun.fields = {{"records", std::to_string(opened.found.verdict.records)},
                  {"files", std::to_string(opened.found.verdict.files)}};
  if (opened.torn_bytes > 0) {
    begun.fields.emplace("torn_bytes", std::to_string(opened.torn_bytes));
    log::write(log::Level::notice, message_id::kAuditImpaired,
               "The last record of the audit log was not written to its end; the log goes on before it",
               {{"AKM_BYTES", std::to_string(opened.torn_bytes)}});
  }
  (void)append(std::move(begun));
  for (const std::string& finding : opened.found.verdict.findings) damaged(finding);
  return {};
}

/// Said, recorded, and evidence for who watches this machine, once: a log that stays damaged is told by its
/// findings.
void AuditTrail::damaged(std::string detail) {
  const bool first = !damage_;
  damage_ = detail;
  log::write(log::Level::critical, message_id::kAuditImpaired, "The audit log is not as it was left",
             {{"AKM_DETAIL", detail}});
  if (log_) {
    AuditRecord record = record_now("audit-damaged", kCritical);
    record.fields = {{"detail", detail}};
    (void)append(std::move(record));
  }
  if (first && impaired_) impaired_({{"finding", "audit-damaged"}, {"detail", detail}});
}

void AuditTrail::on_impaired(Impaired handler) {
  impaired_ = std::move(handler);
  if (damage_ && impaired_) impaired_({{"finding", "audit-damaged"}, {"detail", *damage_}});
}

void AuditTrail::remember(const AuditRecord& record) {
  if (record.incident == 0) return;
  const auto node = record.fields.find("node_id");
  const std::string name = node == record.fields.end() ? std::string() : node->second;
  // Of a node's own: what opened the case. Evidence that came later is another matter.
  const auto grade = record.fields.find("grade");
  if (grade != record.fields.end() && grade->second != "critical") return;
  if (incidents_.contains(name) || incidents_.size() < kIncidentsRemembered)
    incidents_[name] = record.incident;
}

std::uint64_t AuditTrail::incident_of(const std::string& node_id) const {
  const auto at = incidents_.find(node_id);
  return at == incidents_.end() ? 0 : at->second;
}

bool AuditTrail::let_through(std::uint8_t severity) {
  Gate& gate = gates_[severity <= kCritical ? 0 : severity <= kWarning ? 1 : 2];
  const Instant now = parts_.now();
  if (!gate.since || now - *gate.since >= kGateWindow) {
    gate.since = now;
    gate.count = 0;
    if (gate.left_out > 0) {
      AuditRecord record = record_now("audit-left-out", kWarning);
      record.fields = {{"records", std::to_string(gate.left_out)}, {"like", std::to_string(severity)}};
      if (append(std::move(record))) gate.left_out = 0;
    }
  }
  if (gate.count >= gate.most) {
    ++gate.left_out;
    return false;
  }
  ++gate.count;
  return true;
}

void AuditTrail::note(const EventRecord& event) {
  if (!belongs(event)) return;
  if (!log_) {
    if (failing_) ++lost_;  // it could not be opened yet
    return;
  }
  if (!let_through(event.severity)) return;
  AuditRecord record = record_now(event.name, event.severity);
  record.boottime_ns = event.boottime_ns;
  record.asr_id = event.asr_id;
  record.generation = number_in(event.fields, "generation");
  record.epoch = number_in(event.fields, "epoch");
  for (const auto& [name, value] : event.fields) {
    if (name == "incident") {
      const auto id = parse_hex_id(value);
      record.incident = id ? *id : 0;
    } else if (name != "generation" && name != "epoch") {
      const bool who = std::ranges::find(event.subject, name) != event.subject.end();
      record.fields.emplace(who ? "subject." + name : name, value);
    }
  }
  remember(record);
  (void)append(std::move(record));
}

/// Not in this turn of the loop: whoever tells of a breach has keys to revoke and a report to send in it.
void AuditTrail::make_due(bool critical) {
  const Instant now = parts_.now();
  const Instant sync = critical ? now : now + kSyncAfter;
  sync_due_ = sync_due_ ? std::min(*sync_due_, sync) : sync;
  // A new file is to be known outside of the log soon, or nobody would miss it.
  const Instant sealing = now + (critical || log_->rotated() ? kCriticalSealAfter : parts_.seal_after);
  seal_due_ = seal_due_ ? std::min(*seal_due_, sealing) : sealing;
}

void AuditTrail::tell_gap() {
  if (lost_ == 0) return;
  AuditRecord gap = record_now("audit-gap", kWarning);
  gap.fields = {{"records", std::to_string(lost_)}};
  if (failing_) gap.fields.emplace("error", failing_->message());
  if (const Status written = log_->append(std::move(gap)); !written) return failed(written.error());
  lost_ = 0;
}

/// Before each record too: one that is written behind a cut would give the file its length back.
void AuditTrail::leave_if_touched() {
  const Status same = log_->untouched();
  if (same) return;
  log_->leave_file();
  damaged(same.error().message());
}

bool AuditTrail::append(AuditRecord record) {
  const bool critical = record.severity <= kCritical;
  leave_if_touched();
  tell_gap();
  const Status written = lost_ == 0 ? log_->append(std::move(record)) : std::unexpected(*failing_);
  if (!written) {
    ++lost_;
    failed(written.error());
    return false;
  }
  make_due(critical);
  return true;
}

/// Said once: a full disk stays full for a while.
void AuditTrail::failed(const Error& error) {
  const bool said = failing_ && failing_->code == error.code;
  failing_ = error;
  seal_due_ = parts_.now() + kTryAgain;
  if (said) return;
  log::write(log::Level::error, message_id::kAuditImpaired, "The audit log cannot be written",
             {{"AKM_ERROR", failing_->message()}});
}

void AuditTrail::seal() {
  if (!log_) {
    if (const Status opened = open_log(); !opened) failed(opened.error());
    return;
  }
  leave_if_touched();
  tell_gap();
  if (lost_ > 0) return;
  if (log_->unsealed() == 0) return failing_.reset();
  Status done = log_->seal(record_now({}, kNotice));
  if (done) done = log_->sync();
  // In this order: an anchor that a power cut left behind the log does no harm, one before it accuses.
  if (done) done = parts_.store->write(kAuditRecord, log_->anchor().encode());
  if (done) done = log_->sealed();
  if (done) {
    failing_.reset();
    return;
  }
  failed(done.error());
}

std::vector<std::string> AuditTrail::findings() const {
  std::vector<std::string> out;
  if (damage_) out.push_back("The audit log is not as it was left: " + *damage_);
  if (failing_) {
    out.push_back("The audit log cannot be written (" + std::string(errc_name(failing_->code)) +
                  "): it is tried again each second, and " + std::to_string(lost_) +
                  " records are missing so far");
  }
  return out;
}

std::optional<Instant> AuditTrail::next_deadline() const {
  Earliest next;
  next.consider(sync_due_);
  next.consider(seal_due_);
  return next.at();
}

void AuditTrail::deadline_reached() {
  const Instant now = parts_.now();
  if (log_ && sync_due_ && *sync_due_ <= now) {
    sync_due_.reset();
    if (const Status synced = log_->sync(); !synced) failed(synced.error());
  }
  if (seal_due_ && *seal_due_ <= now) {
    seal_due_.reset();
    sync_due_.reset();
    seal();
  }
}

void AuditTrail::end(bool erase) {
  if (log_) seal();
  log_.reset();
  failing_.reset();
  sync_due_.reset();
  seal_due_.reset();
  if (!erase) return;
  std::error_code error;
  std::filesystem::remove_all(parts_.folder, error);
  std::filesystem::remove_all(parts_.former, error);
}

template <typename T>
void AuditTrail::aside(std::move_only_function<Result<T>()> work, Reply<T> reply) {
  if (!parts_.run_aside) return reply(work());
  auto shared = std::make_shared<Reply<T>>(std::move(reply));
  const Status taken =
      parts_.run_aside([shared, work = std::move(work)]() mutable -> keyring::TpmWorker::Completion {
        return [shared, outcome = work()]() mutable { (*shared)(std::move(outcome)); };
      });
  if (!taken) (*shared)(std::unexpected(taken.error()));
}

void AuditTrail::verify(Reply<AuditVerdict> reply) {
  if (!log_) return reply(fail(Errc::sealed_unavailable));
  leave_if_touched();
  verify_again(false, std::move(reply));
}

/// The log grows meanwhile, and its oldest file may go: what looks wrong is looked at once more.
void AuditTrail::verify_again(bool last, Reply<AuditVerdict> reply) {
  auto anchor = load_anchor();
  if (!anchor) return reply(std::unexpected(anchor.error()));
  auto work = [folder = parts_.folder, key = parts_.key, anchor = *anchor]() -> Result<AuditVerdict> {
    AKM_ASSIGN(auto found, store::check_audit(folder, {.key = key.get(), .anchor = anchor, .visit = {}}));
    return std::move(found.verdict);
  };
  aside<AuditVerdict>(std::move(work),
                      [this, last, reply = std::move(reply)](Result<AuditVerdict> found) mutable {
                        if (!last && (!found || !found->findings.empty()))
                          return verify_again(true, std::move(reply));
                        reply(std::move(found));
                      });
}

void AuditTrail::records(std::uint64_t after, std::uint32_t most, std::uint64_t incident,
                         Reply<std::vector<AuditRecord>> reply) {
  if (!log_) return reply(fail(Errc::sealed_unavailable));
  aside<std::vector<AuditRecord>>(
      [folder = parts_.folder, after, most, incident] { return read_records(folder, after, most, incident); },
      std::move(reply));
}

void AuditTrail::incidents(std::uint64_t after, std::uint32_t most,
                           Reply<std::vector<IncidentSummary>> reply) {
  if (!log_) return reply(fail(Errc::sealed_unavailable));
  aside<std::vector<IncidentSummary>>(
      [folder = parts_.folder, after, most] { return read_incidents(folder, after, most); },
      std::move(reply));
}

Result<std::vector<std::uint64_t>> AuditTrail::check_seals(const std::vector<AuditSeal>& seals) {
  if (!parts_.key) return fail(Errc::sealed_unavailable);
  std::vector<std::uint64_t> bad;
  for (const AuditSeal& seal : seals) {
    if (!parts_.key->holds(seal)) bad.push_back(seal.number);
  }
  return bad;
}

namespace {

/// A node that is provisioned, an NMM that has its root secret: these records nobody can remove without
/// ending what they stand for.
bool in_use(store::SealedStore& store) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{"node", "nmm-root"},
                             [&](std::string_view name) {
                               const auto record = store.read(name);
                               return record || record.error().code != Errc::not_found;
                             });
}

}  // namespace

std::unique_ptr<AuditTrail> make_audit(const Settings& settings, const OpenedState& opened, EventLog& events,
                                       io::Loop& loop, AsideWorker& worker) {
  const bool has_state = opened.store && !opened.failure;
  auto trail = std::make_unique<AuditTrail>(AuditTrail::Parts{
      .folder = audit_folder(settings),
      .former = former_audit_folder(settings),
      .key = has_state ? opened.audit_key : nullptr,
      .store = opened.store.get(),
      .events = events,
      .start = opened.engine.incarnation,
      .state_in_use = has_state && in_use(*opened.store),
      .limits = {.file_bytes = settings.audit_file_bytes, .files = settings.audit_files},
      .seal_after = std::chrono::seconds(settings.audit_seal_s),
      .run_aside = [&worker](keyring::TpmWorker::Job job) { return worker.run(std::move(job)); }});
  trail->open();
  loop.add_deadline([trail = trail.get()] { return trail->next_deadline(); },
                    [trail = trail.get()] { trail->deadline_reached(); });
  return trail;
}

}  // namespace akm::service
