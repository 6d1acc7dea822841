// What goes up to the Root, and what comes back down to a replacement.
#include <algorithm>
#include <chrono>

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/nmm/reported.h"
#include "daemon/nmm/root_link.h"

namespace akm::nmm {
namespace {

using protocol::Method;
using protocol::RecordsKind;

constexpr Duration kCallAgain = std::chrono::minutes(1);          // a disk that was full
constexpr Duration kReportSoon = std::chrono::milliseconds(300);  // several changes in a row are one report

}  // namespace

void RootLink::note(const EventRecord& event) {
  if (record_ && !fenced()) log_.note(event);
}

void RootLink::pump() {
  if (!reporting() || report_under_way_ || !log_.behind(std::max(record_->acked, reported_change_))) return;
  const Instant soon = core_.now() + kReportSoon;
  if (!report_due_ || soon < *report_due_) report_due_ = soon;
}

void RootLink::report() {
  report_due_.reset();
  if (!reporting()) return;
  protocol::ReportRequest report = log_.next(record_->acked);
  report.roots = core_.root.numbers();
  reported_change_ = report.last;
  report_under_way_ = true;
  core_.requests.send(
      asr_id(), Method::report, report.encode(), interval(), core_.now(),
      [this, upto = report.upto](const Outcome& outcome, Instant now) { report_ended(upto, outcome, now); });
}

/// A Root that was restored from an older state may not know that it has activated this NMM.
bool RootLink::must_activate_again(const Outcome& outcome) {
  const bool active = record_ && record_->node.state == node::NodeState::active;
  if (!active || !outcome.status || *outcome.status != protocol::ControlStatus::not_activated) return false;
  RootRecord next = *record_;
  next.node.state = node::NodeState::provisioned;
  if (const Status saved = records_.save(next); saved) {
    record_ = std::move(next);
    report_due_.reset();
  }
  try_again("The Root does not know that this NMM is activated: it activates again");
  return true;
}

void RootLink::report_ended(std::uint64_t upto, const Outcome& outcome, Instant now) {
  report_under_way_ = false;
  if (!record_) return;
  heard(outcome.status.has_value());
  report_due_ = now + interval();
  trouble_.clear();
  if (!outcome.status) return core_.status_changed();
  if (must_activate_again(outcome)) return;
  if (*outcome.status == protocol::ControlStatus::stale_generation) {
    trouble_ =
        "The Root has heard of changes that this NMM does not know: its state is an older copy. Put the "
        "newest "
        "state back, or have the Root replace this NMM (akmctl root nmm replace)";
    return core_.status_changed();
  }
  const auto body = protocol::ReportResponse::decode(outcome.body);
  if (!outcome.ok() || !body) {
    trouble_ = "The Root does not take reports: " + outcome.why();
    return core_.status_changed();
  }
  RootRecord next = *record_;
  next.acked = std::max(next.acked, std::min(upto, body->acked));
  if (next.acked == record_->acked) return;
  if (!records_.save_progress(next)) return;  // what was reported is reported once more
  record_ = std::move(next);
  log_.acknowledged(record_->acked);
  drop_old_secrets();
  if (log_.behind(record_->acked)) report_due_ = now;
}

/// When no node hangs on a former secret any more, it goes: who steals it later has nothing.
void RootLink::drop_old_secrets() {
  if (const Status kept = core_.root.keep(secrets_in_use(core_.registry)); !kept)
    log::error(kept.error().message());
}

// A replacement.

void RootLink::ask_for_records(RecordsKind kind, std::uint64_t after) {
  under_way_ = true;
  core_.requests.send(asr_id(), Method::records, protocol::RecordsRequest{kind, after}.encode(), interval(),
                      core_.now(),
                      [this, kind](const Outcome& outcome, Instant) { records_came(kind, outcome); });
}

void RootLink::records_came(RecordsKind kind, const Outcome& outcome) {
  under_way_ = false;
  heard(outcome.status.has_value());
  if (fenced() || must_activate_again(outcome)) return;
  const auto page = protocol::RecordsResponse::decode(outcome.body);
  if (!outcome.ok() || !page)
    return try_again("The records of the NMM before this one do not come: " + outcome.why());
  const auto last = kind == RecordsKind::nodes ? restore_nodes(*page) : restore_asrs(*page);
  // All of it once more: what is here already stays as it is.
  if (!last) return try_again("A record of the NMM before this one: " + last.error().message());
  trouble_.clear();
  backoff_.reset();
  if (page->more && *last != 0) return ask_for_records(kind, *last);
  if (kind == RecordsKind::nodes) return ask_for_records(RecordsKind::asrs, 0);
  RootRecord next = *record_;
  next.restoring = false;
  next.calling = !parts_.provisioner.all_reached();  // the disk had no room for some
  if (const Status saved = records_.save_progress(next); !saved) return try_again(saved.error().message());
  record_ = std::move(next);
  say("restored", 5, "This NMM has the records of the one before it, and calls its nodes.",
      {{"nodes", std::to_string(core_.registry.nodes().size())},
       {"relationships", std::to_string(core_.registry.asrs().size())}});
  report_due_ = core_.now();
  if (calling()) call_due_ = core_.now() + kCallAgain;
}

/// Blocks nobody: the others are reached, and an operator may forget one that never can be.
void RootLink::call_nodes() {
  call_due_.reset();
  if (fenced() || !calling()) return;
  RootRecord next = *record_;
  next.calling = false;
  if (parts_.provisioner.all_reached() && records_.save_progress(next)) {
    record_ = std::move(next);
    return;
  }
  const Instant now = core_.now();
  parts_.provisioner.reach_missing(
      [this, now](protocol::NodeId node_id) { parts_.upkeep.reach(node_id, now); });
  call_due_ = now + kCallAgain;
}

void RootLink::try_again(std::string trouble) {
  trouble_ = std::move(trouble);
  due_ = core_.now() + backoff_.next();
  core_.status_changed();
}

/// Whether it is the record that does not fit, and not the disk: another try would end the same way.
bool RootLink::unfit(const Error& error) {
  return error.code == Errc::already_exists || error.code == Errc::limit_exceeded;
}

Result<std::uint64_t> RootLink::restore_nodes(const protocol::RecordsResponse& page) {
  std::uint64_t last = 0;
  const Instant now = core_.now();
  for (const protocol::ReportedNode& node : page.nodes) {
    last = std::max(last, node.id);
    const NodeRecord* present = core_.registry.node(node.id);
    // A restart in the middle: what came before is here, and perhaps has gone further.
    if (present == nullptr) {
      NodeRecord record = restored(node);
      record.prepared_at_s = core_.clock.seconds(now);
      const Status stored = core_.put(std::move(record));
      if (!stored && !unfit(stored.error())) return std::unexpected(stored.error());
      if (!stored) {
        log::error("a node of the NMM before this one is left out: " + stored.error().message(),
                   {{"AKM_NODE", node.name}});
        continue;
      }
      present = core_.registry.node(node.id);
    }
    if (present->is_gone() || core_.shell.engine().view(present->provisioning_asr)) continue;
    if (!parts_.provisioner.reach(*present)) continue;
    parts_.upkeep.reach(node.id, now);
    if (present->quarantine_pending) core_.departures.quarantine(node.id, now);
    if (present->zeroize_pending) core_.departures.zeroize(node.id, now);
  }
  return last;
}

Result<std::uint64_t> RootLink::restore_asrs(const protocol::RecordsResponse& page) {
  std::uint64_t last = 0;
  const Instant now = core_.now();
  for (const protocol::ReportedAsr& asr : page.asrs) {
    last = std::max(last, asr.id);
    if (core_.registry.asr(asr.id) != nullptr) continue;
    auto record = restored(asr, core_.registry);
    if (!record) {
      log::error(
          "a relationship of the NMM before this one is left to its members: " + record.error().message(),
          {{"AKM_ASR", hex_id(asr.id)}});
      continue;
    }
    record->installed_at_s = core_.clock.seconds(now);
    const Status stored = core_.registry.put(std::move(*record));
    if (!stored && !unfit(stored.error())) return std::unexpected(stored.error());
    if (!stored) {
      log::error("a relationship of the NMM before this one is left out: " + stored.error().message(),
                 {{"AKM_ASR", hex_id(asr.id)}});
      continue;
    }
    parts_.upkeep.renewed(asr.id, now);
    core_.asr_changed(asr.id);
  }
  return last;
}

}  // namespace akm::nmm
