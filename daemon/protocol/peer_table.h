#pragma once
// What one member knows of the others: which start of each it listens to, when it was heard, where it is
// (section 4).
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/protocol/asr.h"

namespace akm::protocol {

struct Peer {
  std::uint16_t index = 0;
  std::uint32_t incarnation = 0;  // highest accepted; 0: none yet
  std::uint32_t salt = 0;
  bool from_before = false;                  // of an earlier generation: not heard in this one yet
  Instant incarnation_since;                 // its first frame, or the start of this daemon
  std::optional<Endpoint> incarnation_from;  // where that came from
  std::optional<Instant> last_heard;
  std::optional<Instant> last_contradiction;
  // The newest session that a frame of it was sent under as what it has committed; for people.
  std::uint32_t generation = 0;  // 0: none since this daemon's start
  std::uint32_t epoch = 0;
  std::optional<Instant> since;  // the first such frame
  std::optional<Endpoint> endpoint;
  bool endpoint_is_given = false;  // by roster or operator of an operational ASR: frames do not change it
};

/// One entry for each member of a roster, by rising index.
class PeerTable {
 public:
  PeerTable() = default;
  explicit PeerTable(const AsrDescription& description) {
    peers_.reserve(description.roster.size());
    for (const Member& member : description.roster) {
      Peer peer;
      peer.index = member.index;
      for (const std::string& text : member.endpoints) {
        if (const auto endpoint = parse_endpoint(text)) {
          peer.endpoint = *endpoint;
          peer.endpoint_is_given = description.kind == Kind::operational;
          break;
        }
      }
      peers_.push_back(peer);
    }
  }

  /// Null when the index is not in the roster.
  [[nodiscard]] const Peer* find(std::uint16_t index) const {
    const auto found = std::ranges::lower_bound(peers_, index, {}, &Peer::index);
    return found != peers_.end() && found->index == index ? &*found : nullptr;
  }
  [[nodiscard]] Peer* find(std::uint16_t index) {
    const auto found = std::ranges::lower_bound(peers_, index, {}, &Peer::index);
    return found != peers_.end() && found->index == index ? &*found : nullptr;
  }
  [[nodiscard]] std::span<const Peer> all() const { return peers_; }
  [[nodiscard]] std::span<Peer> all() { return peers_; }

 private:
  std::vector<Peer> peers_;
};

}  // namespace akm::protocol
