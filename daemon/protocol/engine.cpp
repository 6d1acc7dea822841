#include "daemon/protocol/engine.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <type_traits>

#include "daemon/protocol/relationship.h"

namespace akm::protocol {
namespace {

using namespace std::chrono_literals;

// What a stored step replaced is erased with the next step; this long at most while nothing else happens.
constexpr Duration kSettleWithin = 10ms;

// A datagram's plaintext, wiped with the step: it may hold credentials.
struct Plain {
  std::array<std::uint8_t, limits::kFrameBytes> bytes{};
  Plain() = default;
  std::span<std::uint8_t> room() { return bytes; }
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;
  ~Plain() { wipe(bytes.data(), bytes.size()); }
};

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::se:
      return "SE";
    case Phase::sei:
      return "SEI";
    case Phase::sec:
      return "SEC";
    case Phase::sef:
      return "SEF";
  }
  return "";
}

class Engine::Impl {
 public:
  explicit Impl(const Options& options) : options_(options) {}

  void step(Event& event, Instant now, RandomSource& random, EffectList& effects) {
    effects.clear();
    StepContext step{options_, counters_, now, random, effects};
    settle(event);
    std::visit([&](auto& alternative) { on(alternative, step); }, event);
  }

  [[nodiscard]] std::optional<Instant> next_deadline() const {
    std::optional<Instant> next = unsettled_ ? std::optional(unsettled_until_) : std::nullopt;
    if (!due_.empty() && (!next || due_.begin()->first < *next)) next = due_.begin()->first;
    return next;
  }

  struct Entry {
    Relationship relationship;
    std::optional<Instant> due;  // as it stands in due_
  };

  Options options_;
  Counters counters_;
  std::map<AsrId, Entry> entries_;
  std::set<std::pair<Instant, AsrId>> due_;  // earliest first: finding and moving a deadline is O(log n)
  std::optional<AsrId> unsettled_;           // stored in the last step; StoreFailed may still come
  Instant unsettled_until_;
  std::array<std::uint8_t, limits::kFrameBytes> data_{};  // what effects of a data frame point to
  /// Of a relationship that was erased in this run: what must not come again.
  struct Spent {
    std::uint32_t generation = 0;  // and those before it
    std::uint32_t next_request_id = 0;
  };
  std::map<AsrId, Spent> spent_;

 private:
  /// Any event but StoreFailed says that the last step's record was stored.
  void settle(const Event& event) {
    if (!unsettled_) return;
    const auto* failed = std::get_if<StoreFailed>(&event);
    if (failed != nullptr && failed->asr_id == *unsettled_) return;
    if (const auto entry = entries_.find(*unsettled_); entry != entries_.end())
      entry->second.relationship.settle();
    unsettled_.reset();
  }

  void schedule(AsrId id, Entry& entry) {
    const auto due = entry.relationship.next_deadline();
    if (due == entry.due) return;
    if (entry.due) due_.erase({*entry.due, id});
    if (due) due_.insert({*due, id});
    entry.due = due;
  }

  void remove(std::map<AsrId, Entry>::iterator entry) {
    if (const std::uint32_t spent = entry->second.relationship.spent_generation(); spent != 0) {
      // Bounded: what was erased longest ago is not known, so the lowest id goes.
      if (spent_.size() >= limits::kRelationships) spent_.erase(spent_.begin());
      spent_[entry->first] = {spent, entry->second.relationship.next_request_id()};
    }
    if (entry->second.due) due_.erase({*entry->second.due, entry->first});
    entries_.erase(entry);
  }

  /// After each step of a relationship: its record before all its other effects, its deadline in order. At
  /// most one relationship of a step is stored, so that StoreFailed says which one has to go back.
  bool finish(AsrId id, Entry& entry, StepContext& step, std::size_t first_effect) {
    const bool stored = entry.relationship.dirty();
    if (stored) {
      step.effects.insert(step.effects.begin() + static_cast<std::ptrdiff_t>(first_effect),
                          PersistAsr{id, entry.relationship.record()});
      unsettled_ = id;
      unsettled_until_ = step.now + kSettleWithin;
    }
    schedule(id, entry);
    return stored;
  }

  /// Runs `work` on a known ASR and reports its failure as EventRefused.
  template <typename Work>
  void with(AsrId id, std::string_view event, StepContext& step, Work work) {
    const auto entry = entries_.find(id);
    if (entry == entries_.end()) return refuse(id, event, {Errc::not_found, "ASR"}, step);
    const std::size_t first = step.effects.size();
    const Status status = work(entry->second.relationship);
    if (!status) refuse(id, event, status.error(), step);
    finish(id, entry->second, step, first);
  }

  static void refuse(AsrId id, std::string_view event, Error error, StepContext& step) {
    step.effects.emplace_back(EventRefused{id, std::string(event), std::move(error)});
  }

  void count(Refusal refusal) { ++counters_.refused[static_cast<std::size_t>(refusal)]; }

  void on(FrameReceived& event, StepContext& step) {
    ++counters_.frames_received;
    const auto header = parse_header(event.datagram);
    if (!header) return count(header.error());
    const auto entry = entries_.find(header->asr_id);
    if (entry == entries_.end()) return count(Refusal::unknown_asr);
    const std::size_t first = step.effects.size();
    const auto receive = [&](std::span<std::uint8_t> plain) {
      return entry->second.relationship.receive(*header, event.datagram, event.from, plain, step);
    };
    const auto received = header->type == FrameType::data ? receive(data_) : receive(Plain().room());
    if (!received) count(received.error());
    finish(header->asr_id, entry->second, step, first);
  }

  void on(DeadlineReached&, StepContext& step) {
    // Only what is due at `now`, each once: what a tick plans for now comes with the next step, and one that
    // has much to catch up on (the machine stood still) does not keep the others waiting.
    std::vector<AsrId> due;
    for (const auto& [at, id] : due_) {
      if (at > step.now) break;
      due.push_back(id);
    }
    for (const AsrId id : due) {
      Entry& entry = entries_.find(id)->second;
      const std::size_t first = step.effects.size();
      entry.relationship.tick(step);
      if (finish(id, entry, step, first)) return;
    }
  }

  void on(RestoreAsr& event, StepContext& step) {
    const std::size_t first = step.effects.size();
    auto restored = Relationship::restore(event.record, step);
    if (!restored) {
      step.effects.resize(first);
      return refuse(0, "RestoreAsr", restored.error(), step);
    }
    const AsrId id = restored->id();
    if (entries_.size() >= limits::kRelationships || entries_.contains(id)) {
      step.effects.erase(step.effects.begin() + static_cast<std::ptrdiff_t>(first), step.effects.end());
      return refuse(id, "RestoreAsr", {Errc::already_exists, "ASR, or too many"}, step);
    }
    const auto entry = entries_.emplace(id, Entry{std::move(*restored), std::nullopt}).first;
    schedule(id, entry->second);
  }

  void on(InstallAsr& event, StepContext& step) {
    const AsrId id = event.asr.description.id;
    const bool known = entries_.contains(id);
    if (!known && entries_.size() >= limits::kRelationships) {
      return refuse(id, "InstallAsr", {Errc::limit_exceeded, "relationships"}, step);
    }
    // A repeated install of what was erased since would use each (key, nonce) twice; the NMM sends a newer
    // one.
    const auto spent = spent_.find(id);
    if (!known && spent != spent_.end() && event.asr.description.generation <= spent->second.generation) {
      return refuse(id, "InstallAsr", {Errc::stale_generation, "erased in this run"}, step);
    }
    const std::uint32_t next_request_id = spent == spent_.end() ? 0 : spent->second.next_request_id;
    const auto entry = entries_.try_emplace(id, Entry{Relationship(id, next_request_id), std::nullopt}).first;
    const std::size_t first = step.effects.size();
    const Status status = entry->second.relationship.install(std::move(event), step);
    if (!status) {
      if (!known) entries_.erase(entry);
      return refuse(id, "InstallAsr", status.error(), step);
    }
    finish(id, entry->second, step, first);
  }

  void on(SwitchGeneration& event, StepContext& step) {
    with(event.asr_id, "SwitchGeneration", step,
         [&](Relationship& relationship) { return relationship.switch_generation(event.generation, step); });
  }

  void on(SetPolicy& event, StepContext& step) {
    with(event.asr_id, "SetPolicy", step,
         [&](Relationship& relationship) { return relationship.set_policy(event.policy, step); });
  }

  void on(RetireAsr& event, StepContext& step) {
    const auto entry = entries_.find(event.asr_id);
    if (entry == entries_.end()) return refuse(event.asr_id, "RetireAsr", {Errc::not_found, "ASR"}, step);
    entry->second.relationship.revoke_keys(step.effects);
    remove(entry);
    step.effects.emplace_back(ForgetAsr{event.asr_id});
    step.effects.emplace_back(AsrRetired{event.asr_id});
  }

  void on(RequestRekey& event, StepContext& step) {
    with(event.asr_id, "RequestRekey", step, [&](Relationship& relationship) {
      relationship.request_rekey(step);
      return Status{};
    });
  }

  void on(EraseOperational&, StepContext& step) {
    // All keys are gone from the keyring before the first slow write to the disk.
    std::vector<AsrId> erased;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const auto here = entry++;
      if (here->second.relationship.kind() != Kind::operational) continue;
      here->second.relationship.revoke_keys(step.effects);
      erased.push_back(here->first);
      remove(here);
    }
    for (const AsrId id : erased) step.effects.emplace_back(ForgetAsr{id});
    for (const AsrId id : erased) step.effects.emplace_back(AsrRetired{id});
  }

  void on(SendRequest& event, StepContext& step) {
    with(event.asr_id, "SendRequest", step,
         [&](Relationship& relationship) { return relationship.send_request(std::move(event), step); });
  }

  void on(SendResponse& event, StepContext& step) {
    with(event.asr_id, "SendResponse", step,
         [&](Relationship& relationship) { return relationship.send_response(std::move(event), step); });
  }

  void on(SendData& event, StepContext& step) {
    with(event.asr_id, "SendData", step,
         [&](Relationship& relationship) { return relationship.send_data(event, data_, step); });
  }

  void on(StoreFailed& event, StepContext& step) {
    const bool concerned = unsettled_ == event.asr_id;
    unsettled_.reset();
    const auto entry = entries_.find(event.asr_id);
    if (!concerned || entry == entries_.end()) return;
    entry->second.relationship.undo();
    if (entry->second.relationship.empty()) {  // its first install
      remove(entry);
    } else {
      schedule(event.asr_id, entry->second);
    }
    (void)step;
  }

  void on(SetPeerEndpoint& event, StepContext& step) {
    with(event.asr_id, "SetPeerEndpoint", step,
         [&](Relationship& relationship) { return relationship.set_peer_endpoint(event.endpoint, step); });
  }
};

Engine::Engine(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

EffectList Engine::step(Event event, Instant now, RandomSource& random) {
  EffectList effects;
  impl_->step(event, now, random, effects);
  return effects;
}

void Engine::step(Event event, Instant now, RandomSource& random, EffectList& effects) {
  impl_->step(event, now, random, effects);
}

std::optional<Instant> Engine::next_deadline() const {
  return impl_->next_deadline();
}

std::vector<AsrId> Engine::relationships() const {
  std::vector<AsrId> ids;
  ids.reserve(impl_->entries_.size());
  for (const auto& [id, entry] : impl_->entries_) ids.push_back(id);
  return ids;
}

std::optional<AsrView> Engine::view(AsrId id) const {
  const auto entry = impl_->entries_.find(id);
  if (entry == impl_->entries_.end()) return std::nullopt;
  return entry->second.relationship.view();
}

const Counters& Engine::counters() const {
  return impl_->counters_;
}

}  // namespace akm::protocol
