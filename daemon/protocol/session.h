#pragma once
// One session secret in use: the own sender key with its counter, the senders' keys with their replay windows
// (sections 3 and 4). Shared by those who hold the secret; what it counts only grows and is never taken back.
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "daemon/protocol/frame.h"
#include "daemon/protocol/key_schedule.h"
#include "daemon/protocol/replay_window.h"

namespace akm::protocol {

/// Who sends: the own index in the roster, and this start of the daemon.
struct Sender {
  std::uint16_t index = 0;
  std::uint32_t incarnation = 0;
  std::uint32_t salt = 0;
  bool operator==(const Sender&) const = default;
};

/// The own sequence numbers of one (asr, generation, chain, epoch). Every session secret of that epoch counts
/// on the same one: two candidates for one target have different keys, yet no number is ever seen twice.
struct SequenceCounter {
  std::uint32_t epoch = 0;
  std::uint64_t next = 0;
};

/// Hands out the counters of one chain of one generation, one for each epoch. An epoch below the highest one
/// ever used gets a counter only where a session still counts on it, so that no counter can start anew.
class SequenceCounters {
 public:
  /// Null when `epoch` lies below the highest one handed out and its counter is gone.
  std::shared_ptr<SequenceCounter> for_epoch(std::uint32_t epoch);
  [[nodiscard]] std::uint32_t highest() const { return highest_ ? highest_->epoch : 0; }

 private:
  std::shared_ptr<SequenceCounter> highest_;           // kept: a target may be derived again
  std::vector<std::weak_ptr<SequenceCounter>> lower_;  // of live sessions
};

class Session {
 public:
  Session(const KeyContext& context, Chain chain, SecretBuffer secret,
          std::shared_ptr<SequenceCounter> counter);

  [[nodiscard]] Chain chain() const { return chain_; }
  [[nodiscard]] std::uint32_t epoch() const { return counter_->epoch; }
  [[nodiscard]] const KeyContext& context() const { return context_; }
  [[nodiscard]] const SecretBuffer& secret() const { return secret_; }
  [[nodiscard]] std::uint64_t frames_sent() const { return counter_->next; }
  /// From the disk: its windows were not stored, and what was received before would open again (section 4).
  [[nodiscard]] bool restored() const { return restored_; }
  void mark_restored() { restored_ = true; }

  /// A whole frame from `own`, under the next sequence number. exhausted from 2^32 on.
  Result<std::vector<std::uint8_t>> seal(const Sender& own, FrameType type,
                                         std::span<const std::uint8_t> payload);
  /// The same into `out`, which is payload.size() + kFrameOverheadBytes long; `payload` may already stand in
  /// its place there.
  Status seal(const Sender& own, FrameType type, std::span<const std::uint8_t> payload,
              std::span<std::uint8_t> out);
  /// Authenticates `datagram` and writes its payload to `out` (kFramePayloadBytes are enough). The replay
  /// window is read, nothing is written: call accept() when the sender may speak. Refusals: replayed,
  /// not_authentic.
  std::expected<std::size_t, Refusal> open(const FrameHeader& header, std::span<const std::uint8_t> datagram,
                                           std::span<std::uint8_t> out);
  /// Takes the sequence number of a frame that open() has just authenticated. `newest` is false for a frame
  /// from an incarnation that is not the sender's newest: its window is written, its key does not become the
  /// sender's.
  void accept(const FrameHeader& header, bool newest);
  /// Highest sequence number taken from this sender key so far; none before the first.
  [[nodiscard]] std::optional<std::uint64_t> highest_from(const FrameHeader& header) const;

 private:
  struct SenderKey {
    Sender sender;
    FrameCipher cipher;
    ReplayWindow window;
    std::optional<std::uint64_t> highest;
  };
  struct Known {
    std::optional<SenderKey> newest;
    std::optional<SenderKey> before;  // the last incarnation but one: late frames of it are not replayed ones
  };
  Result<FrameCipher> derive(const Sender& sender) const;
  SenderKey* find(const Sender& sender);
  [[nodiscard]] const SenderKey* find(const Sender& sender) const;

  KeyContext context_;
  Chain chain_;
  SecretBuffer secret_;
  std::shared_ptr<SequenceCounter> counter_;
  bool restored_ = false;
  std::optional<SenderKey> own_;
  std::map<std::uint16_t, Known> senders_;  // bounded by the roster: written after authentication only
  std::optional<SenderKey> opened_;         // made by open() for a sender that is not known yet
};

}  // namespace akm::protocol
