// What the Root tells its NMMs, until they have answered.
#include <chrono>
#include <memory>
#include <utility>

#include "daemon/base/earliest.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/crypto/digest.h"
#include "daemon/root/receiver.h"

namespace akm::root {
namespace {

using protocol::Method;

constexpr Duration kAgain = std::chrono::seconds(5);
constexpr std::uint32_t kMissedReports = 3;

}  // namespace

/// One thing at a time: each changes what the next is about.
void Receiver::pursue(protocol::NodeId nmm_id) {
  const NmmRecord* record = core_.book.find(nmm_id);
  if (record == nullptr || record->state != NmmState::active || telling_.contains(record->asr_id)) return;
  if (record->issue_pending) return issue(*record);
  if (record->policy_pending) return tell_policy(*record);
  const auto view = core_.shell.engine().view(record->asr_id);
  if (view && view->description.generation != record->serial) return send_serial(*record);
  if (view && view->failsafe_spent) return renew_serial(*record);
  // Last: an NMM whose disk is full refuses it again and again.
  if (must_configure(*record)) configure(*record);
}

void Receiver::issue(const NmmRecord& record) {
  telling_.insert(record.asr_id);
  core_.database([this, nmm_id = record.nmm_id, asr_id = record.asr_id, numbers = record.secrets,
                  restore = record.restore, floor = record.incarnation_floor](
                     Result<store::ConfigDatabase*> database) -> std::move_only_function<void()> {
    auto body = database ? issue_body(**database, nmm_id, numbers, restore, floor)
                         : std::unexpected(database.error());
    const auto shared = std::make_shared<Result<SecretBuffer>>(std::move(body));
    return [this, nmm_id, asr_id, shared] {
      if (*shared) {
        send_issue(nmm_id, **shared);
      } else {
        telling_.erase(asr_id);
        try_again(nmm_id, core_.now());
        core_.announce("issue-failed", 2, "An NMM's root secrets could not be read.",
                       {{"nmm_id", hex_id(nmm_id)}, {"error", shared->error().message()}});
      }
      core_.settle();
    };
  });
}

void Receiver::send_issue(protocol::NodeId nmm_id, const SecretBuffer& body) {
  const NmmRecord* record = core_.book.find(nmm_id);
  if (record == nullptr) return;
  const protocol::AsrId asr_id = record->asr_id;
  core_.requests.send_secret(
      asr_id, Method::issue, body.clone(), std::chrono::seconds(core_.settings.policy.control_deadline_s),
      core_.now(), [this, nmm_id, asr_id](const nmm::Outcome& outcome, Instant now) {
        telling_.erase(asr_id);
        const NmmRecord* present = core_.book.find(nmm_id);
        if (present == nullptr || present->asr_id != asr_id) return;
        if (!outcome.ok()) return try_again(nmm_id, now);
        NmmRecord next = *present;
        next.issue_pending = false;
        next.restore = false;
        if (!core_.put(std::move(next))) return;  // it is issued once more
        core_.announce("nmm-issued", 5, "An NMM has its root secrets.", {{"nmm_id", hex_id(nmm_id)}});
        pursue(nmm_id);
      });
}

void Receiver::policy_changed() {
  for (const auto& [nmm_id, record] : std::map(core_.book.all())) {
    if (record.state != NmmState::active) continue;
    NmmRecord next = record;
    next.policy_pending = true;
    if (core_.put(std::move(next))) pursue(nmm_id);
  }
}

void Receiver::tell_policy(const NmmRecord& record) {
  const protocol::AsrId asr_id = record.asr_id;
  const protocol::NodeId nmm_id = record.nmm_id;
  const protocol::Policy policy = core_.policy_of(nmm_id);
  telling_.insert(asr_id);
  core_.requests.send(asr_id, Method::policy, protocol::PolicyUpdate{0, policy}.encode(),
                      std::chrono::seconds(core_.settings.policy.control_deadline_s), core_.now(),
                      [this, nmm_id, asr_id, policy](const nmm::Outcome& outcome, Instant now) {
                        telling_.erase(asr_id);
                        const NmmRecord* present = core_.book.find(nmm_id);
                        if (present == nullptr) return;
                        if (!outcome.ok()) return try_again(nmm_id, now);
                        NmmRecord next = *present;
                        next.policy_pending = core_.policy_of(nmm_id) != policy;  // changed meanwhile
                        if (core_.put(std::move(next))) pursue(nmm_id);
                      });
}

namespace {

/// Zeros for nothing at all, which an NMM that was never told anything has.
protocol::Digest32 digest_of(const protocol::ConfigureRequest& records) {
  return records.empty() ? protocol::Digest32{} : crypto::sha256({records.encode()});
}

}  // namespace

void Receiver::records_changed() {
  if (!core_.configuration_of) return;
  records_known_ = true;
  wanted_.clear();
  for (const auto& [nmm_id, record] : std::map(core_.book.all())) pursue(nmm_id);
}

/// Not before the records were read: nothing would be told as if it were all.
bool Receiver::must_configure(const NmmRecord& record) {
  if (!records_known_) return false;
  auto wanted = wanted_.find(record.nmm_id);
  if (wanted == wanted_.end())
    wanted = wanted_.emplace(record.nmm_id, digest_of(core_.configuration_of(record.nmm_id))).first;
  return wanted->second != record.told;
}

/// The parts of one telling, one after the other.
struct Receiver::Telling {
  protocol::NodeId nmm_id = 0;
  protocol::AsrId asr_id = 0;
  protocol::Digest32 digest{};
  std::vector<protocol::ConfigureRequest> parts;
  std::size_t next = 0;
};

void Receiver::configure(const NmmRecord& record) {
  const protocol::ConfigureRequest records = core_.configuration_of(record.nmm_id);
  auto parts = protocol::in_parts(records);
  if (!parts) {
    // Said once for each change of the records.
    wanted_[record.nmm_id] = record.told;
    core_.announce("records-not-told", 3, "The records of an NMM's nodes are too many to be told.",
                   {{"nmm", record.name}, {"error", parts.error().message()}});
    return;
  }
  telling_.insert(record.asr_id);
  send_part(std::make_shared<Telling>(
      Telling{record.nmm_id, record.asr_id, digest_of(records), std::move(*parts), 0}));
}

void Receiver::send_part(const std::shared_ptr<Telling>& telling) {
  core_.requests.send(telling->asr_id, Method::configure, telling->parts[telling->next].encode(),
                      std::chrono::seconds(core_.settings.policy.control_deadline_s), core_.now(),
                      [this, telling](const nmm::Outcome& outcome, Instant now) {
                        const NmmRecord* present = core_.book.find(telling->nmm_id);
                        const bool same = present != nullptr && present->asr_id == telling->asr_id;
                        // An NMM of an older version: what it cannot be told is not said again and again.
                        const bool done =
                            outcome.ok() || outcome.status == protocol::ControlStatus::not_supported;
                        if (same && outcome.ok() && ++telling->next < telling->parts.size())
                          return send_part(telling);
                        telling_.erase(telling->asr_id);
                        if (!same) return;
                        if (!done) return try_again(telling->nmm_id, now);
                        NmmRecord next = *present;
                        next.told = telling->digest;
                        if (core_.put(std::move(next))) pursue(telling->nmm_id);
                      });
}

/// Its failsafe chain was used: the next serial brings another, as an NMM does for its nodes.
void Receiver::renew_serial(const NmmRecord& record) {
  if (record.serial == UINT32_MAX) return;
  NmmRecord next = record;
  ++next.serial;
  next.activated_serial = next.serial;
  auto asr = core_.derive(next);
  const protocol::NodeId nmm_id = record.nmm_id;
  if (!asr || !core_.put(std::move(next))) return;
  core_.post(protocol::InstallAsr{std::move(*asr), protocol::kNmmIndex, false, 0});
  send_serial(*core_.book.find(nmm_id));
}

void Receiver::send_serial(const NmmRecord& record) {
  protocol::InstallRequest request;
  auto asr = core_.derive(record);
  if (!asr) return;
  request.asr = std::move(*asr);
  request.index = protocol::kNodeIndex;
  request.immediate = true;
  request.retire = record.serial - 1;
  auto body = request.encode();
  if (!body) return;
  telling_.insert(record.asr_id);
  core_.requests.send_secret(
      record.asr_id, Method::install, std::move(*body),
      std::chrono::seconds(core_.settings.policy.control_deadline_s), core_.now(),
      // What counts is under which serial it is heard.
      [this, asr_id = record.asr_id](const nmm::Outcome&, Instant) { telling_.erase(asr_id); });
}

/// The machine that was replaced hears it under its own relationship, which is kept for this one sentence.
void Receiver::fence(const NmmRecord& record, protocol::AsrId asr_id) {
  if (!telling_.insert(asr_id).second) return;
  const protocol::NodeId nmm_id = record.nmm_id;
  core_.announce("fenced-heard", 3, "A machine that was replaced is heard: it is fenced off.",
                 {{"nmm", record.name}, {"nmm_id", hex_id(nmm_id)}});
  core_.requests.send(asr_id, Method::fence, protocol::FenceRequest{record.serial}.encode(),
                      std::chrono::seconds(core_.settings.policy.control_deadline_s), core_.now(),
                      [this, nmm_id, asr_id](const nmm::Outcome& outcome, Instant) {
                        telling_.erase(asr_id);
                        const NmmRecord* present = core_.book.find(nmm_id);
                        if (!outcome.ok() || present == nullptr) return;
                        NmmRecord next = *present;
                        next.fenced.erase(asr_id);
                        if (!core_.put(std::move(next))) return;
                        core_.post(protocol::RetireAsr{asr_id});
                        core_.announce("fenced-off", 4,
                                       "A machine that was replaced has erased its secrets and stopped.",
                                       {{"nmm_id", hex_id(nmm_id)}});
                        core_.status_changed();
                      });
}

Duration Receiver::patience() const {
  return std::chrono::seconds(core_.settings.policy.heartbeat_interval_s) * kMissedReports;
}

void Receiver::try_again(protocol::NodeId nmm_id, Instant now) {
  const NmmPresence* known = presence(nmm_id);
  if (known == nullptr || !known->silent) again_.set(nmm_id, now + kAgain);
}

void Receiver::fall_silent(protocol::NodeId nmm_id) {
  const NmmRecord* record = core_.book.find(nmm_id);
  if (record == nullptr || record->state != NmmState::active) return;
  presence_[nmm_id].silent = true;
  core_.announce("nmm-silent", 4, "An NMM has missed its reports.",
                 {{"nmm", record->name}, {"nmm_id", hex_id(nmm_id)}});
  core_.status_changed();
}

std::optional<Instant> Receiver::next_deadline() const {
  Earliest next;
  next.consider(again_.earliest());
  next.consider(silence_.earliest());
  return next.at();
}

void Receiver::deadline_reached(Instant now) {
  for (const protocol::NodeId nmm_id : silence_.take(now, kNmms)) fall_silent(nmm_id);
  for (const protocol::NodeId nmm_id : again_.take(now, kNmms)) pursue(nmm_id);
}

}  // namespace akm::root
