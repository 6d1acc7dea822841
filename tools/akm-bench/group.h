#pragma once
// N members of one ASR in one process: engines, their stores, and a queue of datagrams between them.
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/random.h"
#include "daemon/protocol/engine.h"
#include "daemon/store/sealed_store.h"

namespace akm::bench {

class Group {
 public:
  static constexpr protocol::AsrId kId = 0x414b4d01;
  /// `folder`: where each member stores durably; empty for no storage at all.
  Group(std::size_t members, const std::string& folder);

  /// One rekey, from the request at member 0 until all have committed.
  void rekey();
  /// Frames that the last rekey took, and the size of one member's record.
  [[nodiscard]] std::size_t frames() const { return frames_; }
  [[nodiscard]] std::size_t record_bytes() const { return record_bytes_; }
  /// A session frame that member 1 would accept, with one bit flipped: what a forger makes it do.
  [[nodiscard]] const std::vector<std::uint8_t>& forged() const { return forged_; }
  protocol::Engine& engine(std::size_t member) { return members_[member].engine; }
  /// Hands member 1 a datagram from outside.
  void receive(const std::vector<std::uint8_t>& datagram);

 private:
  struct One {
    protocol::Engine engine;
    std::unique_ptr<store::SealedStore> store;
    Endpoint endpoint;
    std::uint32_t epoch = 0;
  };
  struct Datagram {
    std::size_t to = 0;
    Endpoint from;
    std::vector<std::uint8_t> bytes;
  };
  void carry_out(std::size_t member, protocol::EffectList effects);
  void deliver();

  SystemRandom random_;
  std::vector<One> members_;
  std::deque<Datagram> wire_;
  std::vector<std::uint8_t> forged_;
  std::size_t frames_ = 0;
  std::size_t record_bytes_ = 0;
};

}  // namespace akm::bench
