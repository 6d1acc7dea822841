#include "daemon/protocol/session.h"

namespace akm::protocol {
namespace {

Sender sender_of(const FrameHeader& header) {
  return {header.index, header.incarnation, header.salt};
}

}  // namespace

std::shared_ptr<SequenceCounter> SequenceCounters::for_epoch(std::uint32_t epoch) {
  if (highest_ && epoch < highest_->epoch) {
    for (const auto& held : lower_) {
      if (auto counter = held.lock(); counter && counter->epoch == epoch) return counter;
    }
    return nullptr;
  }
  if (!highest_ || epoch > highest_->epoch) {
    std::erase_if(lower_, [](const auto& held) { return held.expired(); });
    if (highest_) lower_.emplace_back(highest_);
    highest_ = std::make_shared<SequenceCounter>(SequenceCounter{epoch, 0});
  }
  return highest_;
}

Session::Session(const KeyContext& context, Chain chain, SecretBuffer secret,
                 std::shared_ptr<SequenceCounter> counter)
    : context_(context), chain_(chain), secret_(std::move(secret)), counter_(std::move(counter)) {}

Result<FrameCipher> Session::derive(const Sender& sender) const {
  AKM_ASSIGN(const TrafficKey key,
             sender_key(context_.suite, secret_, sender.index, sender.incarnation, sender.salt));
  return FrameCipher::create(context_.suite, key);
}

Session::SenderKey* Session::find(const Sender& sender) {
  return const_cast<SenderKey*>(std::as_const(*this).find(sender));
}

const Session::SenderKey* Session::find(const Sender& sender) const {
  const auto known = senders_.find(sender.index);
  if (known == senders_.end()) return nullptr;
  const auto& [newest, before] = known->second;
  if (newest && newest->sender == sender) return &*newest;
  if (before && before->sender == sender) return &*before;
  return nullptr;
}

Result<std::vector<std::uint8_t>> Session::seal(const Sender& own, FrameType type,
                                                std::span<const std::uint8_t> payload) {
  std::vector<std::uint8_t> out(payload.size() + kFrameOverheadBytes);
  AKM_TRY(seal(own, type, payload, out));
  return out;
}

Status Session::seal(const Sender& own, FrameType type, std::span<const std::uint8_t> payload,
                     std::span<std::uint8_t> out) {
  if (counter_->next >= limits::kFramesPerKey) return fail(Errc::exhausted, "frames under one key");
  if (!own_ || own_->sender != own) {
    AKM_ASSIGN(FrameCipher cipher, derive(own));
    own_.emplace(own, std::move(cipher), ReplayWindow{}, std::nullopt);
  }
  const FrameHeader header{.type = type,
                           .chain = chain_,
                           .index = own.index,
                           .incarnation = own.incarnation,
                           .asr_id = context_.asr_id,
                           .generation = context_.generation,
                           .epoch = epoch(),
                           .sequence = counter_->next,
                           .salt = own.salt};
  // The number is spent even when sealing fails: a gap costs nothing, a number used twice costs the key.
  ++counter_->next;
  return own_->cipher.seal(header, payload, out);
}

std::expected<std::size_t, Refusal> Session::open(const FrameHeader& header,
                                                  std::span<const std::uint8_t> datagram,
                                                  std::span<std::uint8_t> out) {
  const Sender sender = sender_of(header);
  const std::size_t size = datagram.size() - kFrameOverheadBytes;
  SenderKey* key = find(sender);
  if (key != nullptr) {
    if (!key->window.fresh(header.sequence)) return std::unexpected(Refusal::replayed);
  } else {
    opened_.reset();
    auto cipher = derive(sender);
    if (!cipher) return std::unexpected(Refusal::not_authentic);
    opened_.emplace(sender, std::move(*cipher), ReplayWindow{}, std::nullopt);
    key = &*opened_;
  }
  if (size > out.size() || !key->cipher.open(header, datagram, out.first(size))) {
    opened_.reset();
    return std::unexpected(Refusal::not_authentic);
  }
  return size;
}

void Session::accept(const FrameHeader& header, bool newest) {
  const Sender sender = sender_of(header);
  if (find(sender) == nullptr) {
    if (!newest || !opened_ || opened_->sender != sender) {
      opened_.reset();
      return;
    }
    Known& known = senders_[sender.index];
    known.before = std::move(known.newest);
    known.newest = std::move(opened_);
    opened_.reset();
  }
  SenderKey* key = find(sender);
  key->window.commit(header.sequence);
  key->highest = std::max(key->highest.value_or(header.sequence), header.sequence);
}

std::optional<std::uint64_t> Session::highest_from(const FrameHeader& header) const {
  const SenderKey* key = find(sender_of(header));
  return key == nullptr ? std::nullopt : key->highest;
}

}  // namespace akm::protocol
