#include "daemon/service/shell.h"

#include <type_traits>
#include <utility>

#include "daemon/base/hex.h"

namespace akm::service {
namespace {

using keyring::KeyId;

// Events that report handlers have posted and that wait for the end of the step. An NMM that installs into
// 4096 nodes posts one for each.
constexpr std::size_t kQueueMax = 16384;
constexpr std::size_t kEffectsKept = 64;

KeyId key_id(protocol::AsrId asr, protocol::KeySlot slot) {
  return {asr, slot == protocol::KeySlot::current ? KeyId::Slot::current : KeyId::Slot::candidate, {}};
}

template <typename T>
concept ReportEffect = std::is_constructible_v<Report, T&&> && !std::is_same_v<T, protocol::SendFrame> &&
                       !std::is_same_v<T, protocol::PersistAsr> && !std::is_same_v<T, protocol::ForgetAsr> &&
                       !std::is_same_v<T, protocol::InstallKey> && !std::is_same_v<T, protocol::RevokeKey>;

}  // namespace

std::string asr_record_name(protocol::AsrId id) {
  return std::string(kAsrRecordPrefix) + hex_id(id);
}

Shell::Shell(Parts parts, const protocol::Engine::Options& options, ReportHandler handler)
    : parts_(std::move(parts)), engine_(options), handler_(std::move(handler)) {}

std::vector<std::string> Shell::restore() {
  std::vector<std::string> findings;
  const auto names = parts_.store.list();
  if (!names) return {names.error().message()};
  for (const std::string& name : *names) {
    if (!name.starts_with(kAsrRecordPrefix)) continue;
    auto record = parts_.store.read(name);
    Status taken = record ? Status{} : std::unexpected(record.error());
    if (record) {
      post(protocol::RestoreAsr{std::move(*record)}, [&taken](const Status& status) { taken = status; });
      const auto id = parse_hex_id(std::string_view(name).substr(kAsrRecordPrefix.size()));
      if (taken && (!id || !engine_.view(*id))) {
        taken = fail(Errc::state_corrupt, "record " + name + " holds no usable relationship");
      }
    }
    if (!taken) findings.push_back(unusable(name, taken.error()));
  }
  return findings;
}

/// A damaged record makes room for the next one of its relationship. One that merely cannot be read now
/// stays.
std::string Shell::unusable(const std::string& name, const Error& error) {
  if (error.code != Errc::state_corrupt) return error.message() + "; " + name + " was left in its place";
  const auto kept = parts_.store.set_aside(name);
  return error.message() + (kept ? ", as " + *kept : "; it could not be renamed: " + kept.error().message());
}

void Shell::post(protocol::Event event, AfterStep after) {
  if (queue_.size() >= kQueueMax) {
    ++counters_.events_dropped;
    if (after) after(fail(Errc::limit_exceeded, "events that wait for the engine"));
    return;
  }
  queue_.push_back({std::move(event), std::move(after)});
  if (!stepping_) drain();
}

void Shell::receive(std::span<std::uint8_t> datagram, const Endpoint& from) {
  // The loop lends the datagram for this call only: it cannot wait in the queue. The loop calls outside of
  // steps.
  if (stepping_) {
    ++counters_.events_dropped;
    return;
  }
  stepping_ = true;
  const std::uint64_t accepted = engine_.counters().frames_accepted;
  (void)step(protocol::FrameReceived{datagram, from});
  if (parts_.news.authentic && engine_.counters().frames_accepted != accepted) parts_.news.authentic(from);
  drain();
}

Status Shell::send_data(const protocol::SendData& data) {
  if (stepping_) return fail(Errc::busy, "a step is under way");
  stepping_ = true;
  engine_.step(data, parts_.now(), parts_.random, effects_);
  Status refused;
  std::erase_if(effects_, [&refused](protocol::Effect& effect) {
    auto* why = std::get_if<protocol::EventRefused>(&effect);
    if (why != nullptr) refused = std::unexpected(std::move(why->error));
    return why != nullptr;
  });
  (void)carry_out();
  drain();
  return refused;
}

void Shell::drain() {
  stepping_ = true;
  while (!queue_.empty()) {
    Waiting next = std::move(queue_.front());
    queue_.pop_front();
    const Status done = step(std::move(next.event));
    if (next.after) next.after(done);
  }
  stepping_ = false;
}

Status Shell::step(protocol::Event event) {
  engine_.step(std::move(event), parts_.now(), parts_.random, effects_);
  return carry_out();
}

Status Shell::carry_out() {
  Status first_refusal;
  Status lost;  // why the rest of the list is dropped
  for (protocol::Effect& effect : effects_) {
    if (!lost) {
      // The outcomes of our own requests are told all the same: the engine has forgotten those requests.
      if (auto* response = std::get_if<protocol::ResponseReceived>(&effect)) tell(std::move(*response));
      if (const auto* timeout = std::get_if<protocol::RequestTimedOut>(&effect)) tell(*timeout);
      continue;
    }
    if (const auto* refused = std::get_if<protocol::EventRefused>(&effect);
        refused != nullptr && first_refusal) {
      first_refusal = std::unexpected(refused->error);
    }
    lost = std::visit([this](auto& one) { return carry_out_one(one); }, effect);
  }
  // They held secrets. A burst's memory is given back.
  effects_.clear();
  if (effects_.capacity() > kEffectsKept) effects_.shrink_to_fit();
  return lost ? first_refusal : lost;
}

template <typename Effect>
Status Shell::carry_out_one(Effect& effect) {
  if constexpr (std::is_same_v<Effect, protocol::SendFrame>) {
    ++counters_.frames_sent;
    parts_.send(effect.to, effect.bytes);
  } else if constexpr (std::is_same_v<Effect, protocol::SendDatagram>) {
    ++counters_.frames_sent;
    parts_.send(effect.to, effect.bytes);
  } else if constexpr (std::is_same_v<Effect, protocol::DataReceived>) {
    if (parts_.data) parts_.data(effect);
  } else if constexpr (std::is_same_v<Effect, protocol::PersistAsr>) {
    const Status stored = parts_.store.write(asr_record_name(effect.asr_id), effect.record.reveal());
    if (!stored) {
      ++counters_.store_failures;
      // First in the queue: the engine must not be told of anything else as if this had been stored.
      queue_.push_front({protocol::StoreFailed{effect.asr_id}, {}});
      tell(EffectFailed{effect.asr_id, "persist", stored.error()});
      return stored;
    }
    if (parts_.news.stored) parts_.news.stored(effect.asr_id);
  } else if constexpr (std::is_same_v<Effect, protocol::ForgetAsr>) {
    if (parts_.news.forgotten) parts_.news.forgotten(effect.asr_id);
    const Status removed = parts_.store.remove(asr_record_name(effect.asr_id));
    if (!removed) {
      ++counters_.store_failures;
      tell(EffectFailed{effect.asr_id, "forget", removed.error()});
    }
  } else if constexpr (std::is_same_v<Effect, protocol::InstallKey>) {
    if (parts_.keys == nullptr) return {};
    const auto put =
        parts_.keys->put(key_id(effect.asr_id, effect.slot), effect.session_secret, effect.timeout_s);
    key_store_changed({effect.asr_id, effect.slot}, "install-key",
                      put ? Status{} : std::unexpected(put.error()));
  } else if constexpr (std::is_same_v<Effect, protocol::RevokeKey>) {
    if (parts_.keys == nullptr) return {};
    key_store_changed({effect.asr_id, effect.slot}, "revoke-key",
                      parts_.keys->revoke(key_id(effect.asr_id, effect.slot)));
  } else {
    static_assert(ReportEffect<Effect>);
    tell(std::move(effect));
  }
  return {};
}

void Shell::key_store_changed(const KeysChanged& changed, std::string_view effect, const Status& status) {
  if (status) {
    tell(changed);
    return;
  }
  ++counters_.key_failures;
  tell(EffectFailed{changed.asr_id, std::string(effect), status.error()});
}

void Shell::tell(Report report) {
  if (handler_) handler_(report);
}

}  // namespace akm::service
