#include "daemon/nmm/restoration.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <set>
#include <utility>

#include "daemon/base/cursor.h"
#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/nmm/incarnation_base.h"
#include "daemon/nmm/node_policies.h"
#include "daemon/nmm/record_codec.h"
#include "daemon/nmm/reported.h"

namespace akm::nmm {
namespace {

// There while a backup is being taken over, and until its nodes are called. u8 state || u64 nmm_id || u32
// number of the root secret that is stored last: when that is there, everything is.
constexpr std::string_view kRecord = "nmm-restoration";
constexpr std::uint8_t kBegun = 1;
constexpr std::uint8_t kWhole = 2;  // a start has seen it: never undone any more
constexpr std::size_t kRecordBytes = 1 + 8 + 4;
// Takes the name of the real one when everything is stored.
constexpr std::string_view kPoliciesAside = "nmm-restoration-policies";
// Above all starts that the lost machine may have counted since the backup; and not the same on two machines
// that take the same backup over.
constexpr std::uint32_t kStartsSince = 1U << 20;
constexpr std::uint32_t kSpread = (1U << 16) - 1;
constexpr std::size_t kRecordsAtATime = 256;
// The answer leaves before the daemon starts anew.
constexpr Duration kAnewSoon = std::chrono::milliseconds(200);
constexpr Duration kFinishSoon = std::chrono::seconds(1);
constexpr Duration kCallAgain = std::chrono::minutes(1);
constexpr Duration kSweepPause = std::chrono::minutes(1);

/// Many records for little more than the price of one.
class Batch {
 public:
  explicit Batch(store::SealedStore& store) : store_(store) {}
  Status add(std::string name, std::vector<std::uint8_t> record) {
    records_.emplace_back(std::move(name), std::move(record));
    return records_.size() < kRecordsAtATime ? Status{} : flush();
  }
  Status flush() {
    std::vector<store::NamedRecord> named;
    named.reserve(records_.size());
    for (const auto& [name, record] : records_) named.push_back({name, record});
    AKM_TRY(store_.write_all(named));
    records_.clear();
    return {};
  }

 private:
  store::SealedStore& store_;
  std::vector<std::pair<std::string, std::vector<std::uint8_t>>> records_;
};

}  // namespace

Result<std::optional<Restoration::Mark>> Restoration::mark() const {
  const auto bytes = parts_.store.read(kRecord);
  if (!bytes && bytes.error().code == Errc::not_found) return std::optional<Mark>();
  if (!bytes) return std::unexpected(bytes.error());
  Reader reader(bytes->reveal());
  const std::uint8_t state = reader.u8();
  Mark out;
  out.whole = state == kWhole;
  out.nmm_id = reader.u64();
  out.newest = reader.u32();
  if (!reader.done() || (state != kBegun && state != kWhole))
    return fail(Errc::state_corrupt, std::string(kRecord));
  return std::optional(out);
}

Status Restoration::write_mark(const Mark& mark) {
  std::array<std::uint8_t, kRecordBytes> bytes{};
  Writer writer(bytes);
  writer.u8(mark.whole ? kWhole : kBegun);
  writer.u64(mark.nmm_id);
  writer.u32(mark.newest);
  return parts_.store.write(kRecord, bytes);
}

/// A record that does not open may hang on the secret that is here.
Status Restoration::may_take() const {
  if (stopped()) return fail(Errc::busy, "the daemon starts anew");
  AKM_ASSIGN(const auto names, parts_.store.list());
  if (std::ranges::any_of(names, Registry::is_record_name))
    return fail(Errc::already_exists,
                "nodes or relationships of this NMM: a backup is restored on one that has none");
  return {};
}

/// Those that nodes hang on, and a new one. From it the nodes get their next serials, which neither the lost
/// machine nor whoever has the backup can derive.
Result<std::vector<protocol::NumberedSecret>> Restoration::secrets_of(const BackupContent& content) {
  std::set<std::uint32_t> used;
  for (const protocol::ReportedNode& node : content.nodes) {
    if (node.state == static_cast<std::uint8_t>(NodeState::retired) && !node.zeroize) continue;
    used.insert(node.newest.root);
    if (node.prior) used.insert(node.prior->root);
  }
  std::vector<protocol::NumberedSecret> out;
  std::uint32_t newest = core_.root.newest();
  for (const protocol::NumberedSecret& one : content.issue.secrets) {
    newest = std::max(newest, one.number);
    if (used.contains(one.number)) out.push_back({one.number, one.secret.clone()});
  }
  if (newest == UINT32_MAX) return fail(Errc::exhausted, "numbers of root secrets");
  if (out.size() >= protocol::kRootSecrets)
    return fail(Errc::limit_exceeded, "root secrets that nodes of the backup hang on");
  protocol::NumberedSecret& fresh = out.emplace_back();
  fresh.number = newest + 1;
  AKM_TRY(core_.random.fill(fresh.secret.reveal_mutable()));
  return out;
}

Status Restoration::store_nodes(const BackupContent& content) {
  const std::uint64_t now_s = core_.clock.seconds(core_.now());
  Batch batch(parts_.store);
  for (const protocol::ReportedNode& node : content.nodes) {
    NodeRecord record = restored(node);
    record.prepared_at_s = now_s;
    record.change = core_.registry.next_change();
    AKM_TRY(batch.add(Registry::node_record_name(record.node_id), encode_node_record(record)));
  }
  return batch.flush();
}

Status Restoration::store_asrs(const BackupContent& content) {
  const std::uint64_t now_s = core_.clock.seconds(core_.now());
  Batch batch(parts_.store);
  for (const protocol::ReportedAsr& asr : content.asrs) {
    AKM_ASSIGN(AsrRecord record, restored(asr, core_.registry));
    record.unconfirmed = true;
    record.installed_at_s = now_s;
    record.change = core_.registry.next_change();
    AKM_TRY(batch.add(Registry::asr_record_name(record.description.id), encode_asr_record(record)));
  }
  return batch.flush();
}

/// In an order that tells a crash's leavings from the whole: the mark first, the root secrets last.
Status Restoration::store_all(const BackupContent& content,
                              const std::vector<protocol::NumberedSecret>& secrets) {
  AKM_TRY(write_mark({content.issue.nmm_id, secrets.back().number, false}));
  core_.registry.count_from(content.issue.reported);
  AKM_TRY(store_nodes(content));
  AKM_ASSIGN(const auto unread, core_.registry.load());  // members are named after their nodes
  if (!unread.empty()) return fail(Errc::storage_failed, unread.front());
  AKM_TRY(store_asrs(content));
  AKM_TRY(parts_.store.write(kPoliciesAside, policies_record(content.policies)));
  return core_.root.take(content.issue.nmm_id, secrets);
}

Status Restoration::take(const BackupContent& content) {
  AKM_TRY(may_take());
  AKM_ASSIGN(const auto secrets, secrets_of(content));
  std::uint32_t spread = 0;
  AKM_ASSIGN(spread, random_u32(core_.random));
  const std::uint64_t floor = std::uint64_t{content.issue.incarnation} + kStartsSince + (spread & kSpread);
  if (floor > UINT32_MAX) return fail(Errc::exhausted, "incarnations");
  // A number that is too high costs nothing, where the rest fails.
  AKM_TRY(raise_incarnation(parts_.store, parts_.counted, static_cast<std::uint32_t>(floor)));
  const Status stored = store_all(content, secrets);
  if (!stored) {
    if (const Status undone = undo(); !undone) {
      log::error("what is left of a backup goes with a new start: " + undone.error().message());
      anew_due_ = core_.now() + kAnewSoon;  // before anything is made beside it, which would go too
    }
    return stored;
  }
  log::write(log::Level::notice, message_id::kStateChanged,
             "A backup was taken over; the daemon starts anew.");
  anew_due_ = core_.now() + kAnewSoon;
  return {};
}

/// What there was before is untouched: it had no nodes, and its root secret goes last.
Status Restoration::undo() {
  AKM_TRY(core_.registry.clear());
  AKM_TRY(parts_.store.remove(kPoliciesAside));
  return parts_.store.remove(kRecord);
}

/// The policies hold from the first start on: a later one would take back what was changed since.
Status Restoration::take_policies() {
  const auto policies = parts_.store.read(kPoliciesAside);
  if (policies) return parts_.store.write(kPoliciesRecord, policies->reveal());
  if (policies.error().code == Errc::not_found) return {};
  if (policies.error().code != Errc::state_corrupt)
    return std::unexpected(policies.error());  // it may pass, and they are nowhere else
  parts_.find("The policies on detections of the backup cannot be read: " + policies.error().message() +
              "; set them anew (akmctl policy set)");
  return {};
}

Result<bool> Restoration::resume() {
  AKM_ASSIGN(auto known, mark());
  if (core_.root.numbers().size() > 1) sweep_due_ = core_.now() + kSweepPause;
  if (!known) return false;
  // The root secret of the backup went last; newer ones may have followed it.
  if (!known->whole && (core_.root.nmm_id() != known->nmm_id || core_.root.newest() < known->newest)) {
    AKM_TRY(undo());
    log::write(log::Level::warning, message_id::kStateDoubtful,
               "A backup was not wholly taken over: this NMM is what it was before");
    return false;
  }
  if (!known->whole) {
    AKM_TRY(take_policies());
    known->whole = true;
    if (const Status noted = write_mark(*known); !noted) log::error(noted.error().message());
  }
  call_nodes();
  finish_due_ = core_.now() + kFinishSoon;
  return true;
}

void Restoration::call_nodes() {
  called_at_ = core_.now();
  parts_.provisioner.reach_missing(
      [this](protocol::NodeId node_id) { parts_.upkeep.reach(node_id, called_at_); });
}

/// The engine has stored what it was given: a start after this one has nothing left to do.
Status Restoration::finish() {
  AKM_TRY(parts_.store.remove(kPoliciesAside));
  AKM_TRY(parts_.store.remove(kRecord));
  if (core_.root.numbers().empty()) return {};  // fenced meanwhile
  core_.announce("restored", 5, message_id::kStateChanged,
                 "This NMM has the records of a backup, and calls its nodes.", 0,
                 {{"nmm_id", hex_id(core_.root.nmm_id())},
                  {"nodes", std::to_string(core_.registry.nodes().size())},
                  {"relationships", std::to_string(core_.registry.asrs().size())}});
  return {};
}

/// When no node hangs on a former secret any more, it goes: who steals it later, or has the backup, has
/// nothing.
void Restoration::sweep(Instant now) {
  sweep_due_.reset();
  if (!parts_.stands_alone()) return;
  if (const Status kept = core_.root.keep(secrets_in_use(core_.registry)); !kept)
    log::error(kept.error().message());
  if (core_.root.numbers().size() > 1) sweep_due_ = now + kSweepPause;
}

std::optional<Instant> Restoration::next_deadline() const {
  Earliest next;
  next.consider(anew_due_);
  next.consider(finish_due_);
  next.consider(sweep_due_);
  return next.at();
}

void Restoration::deadline_reached(Instant now) {
  if (anew_due_ && *anew_due_ <= now) {
    anew_due_.reset();
    leaving_ = true;
    if (parts_.start_anew) parts_.start_anew();
  }
  if (sweep_due_ && *sweep_due_ <= now) sweep(now);
  if (!finish_due_ || *finish_due_ > now) return;
  finish_due_.reset();
  if (!parts_.provisioner.all_reached()) {  // the engine is not through, or the disk took no more
    if (now - called_at_ >= kCallAgain) call_nodes();
    finish_due_ = now + kFinishSoon;
    return;
  }
  if (const Status finished = finish(); !finished) {
    log::error("that a backup was taken over is noted later: " + finished.error().message());
    finish_due_ = now + std::chrono::minutes(1);
  }
}

}  // namespace akm::nmm
