#pragma once
// The ASR data structure (section 2), its policy (section 8) and the names of its parts.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "daemon/protocol/limits.h"

namespace akm::protocol {

using AsrId = std::uint64_t;   // random, never 0
using NodeId = std::uint64_t;  // random, never 0; an NMM's id is one too

enum class Kind : std::uint8_t { provisioning = 0, operational = 1 };
enum class Role : std::uint8_t { nmm = 0, node = 1 };
enum class Suite : std::uint16_t {
  hkdf_sha256_aes256gcm = 0x0001,
  hkdf_sha384_aes256gcm = 0x0002,
  hkdf_sha256_chacha20poly1305 = 0x0003,
};
enum class Chain : std::uint8_t { normal = 0, fallback = 1, failsafe = 2 };
inline constexpr std::size_t kChainCount = 3;
enum class Topology : std::uint8_t { automatic, mesh, star, multicast };
enum class Quorum : std::uint8_t { all, majority };
enum class Attestation : std::uint8_t { none, required };

using Digest32 = std::array<std::uint8_t, 32>;
/// First bytes of Expand(session_secret, "check", context, 4): shown to people instead of a key (SP 800-57:
/// key check).
using KeyCheckValue = std::array<std::uint8_t, 4>;

/// Index of the provisioning ASR's two members (section 7).
inline constexpr std::uint16_t kNmmIndex = 0;
inline constexpr std::uint16_t kNodeIndex = 1;

struct Member {
  std::uint16_t index = 0;
  NodeId node_id = 0;
  Role role = Role::node;
  std::string name;  // for people
  std::vector<std::string>
      endpoints;  // "address:port"; may be empty where the peer is learned (an NMM's view)
  bool operator==(const Member&) const = default;
};

/// Section 8; the defaults are the protocol's. Times end in their unit.
struct Policy {
  std::uint32_t rekey_interval_s = 3600;
  std::uint64_t rekey_after_frames = std::uint64_t{1} << 24;
  std::uint32_t renew_interval_s = 86400;
  std::uint32_t nnrt_ms = 2000;
  std::uint32_t nset_ms = 5000;
  std::uint32_t fbset_ms = 10000;
  std::uint32_t fsset_ms = 20000;
  std::uint32_t grace_ms = 2000;
  Quorum quorum = Quorum::all;
  Topology topology = Topology::automatic;
  std::string multicast_group{};  // "address:port" of topology multicast; else empty
  std::uint32_t resync_min_interval_s = 60;
  std::uint32_t install_deadline_s = 30;
  std::uint32_t control_deadline_s = 30;
  bool rotate_provisioning_after_install = true;
  std::uint32_t heartbeat_interval_s = 30;
  Attestation attestation = Attestation::none;  // of a node at its activation
  bool operator==(const Policy&) const = default;
};

inline constexpr std::uint32_t kKeyTimeoutSlack_s = 60;
/// Keys in the keyring end by themselves a little after the time when they should have been replaced.
std::uint32_t key_timeout_s(const Policy& policy);

/// Everything of an ASR but its secrets: what may be shown.
struct AsrDescription {
  AsrId id = 0;
  Kind kind = Kind::operational;
  std::string label;
  Suite suite = Suite::hkdf_sha256_aes256gcm;
  std::uint32_t generation = 1;
  std::vector<Member> roster;  // by rising index
  Policy policy;

  /// Null when there is no such index.
  [[nodiscard]] const Member* member(std::uint16_t index) const;
  [[nodiscard]] const Member* member_by_node(NodeId node_id) const;
  /// Section 2. Hash of id, generation and roster without names and endpoints.
  [[nodiscard]] Digest32 roster_hash() const;
  /// invalid_argument with what is wrong: id 0, label or name length, roster size or order, double node,
  /// unknown suite.
  [[nodiscard]] Status check() const;
};

/// One chain's credentials as issued, or at some epoch.
struct ChainState {
  SecretBytes<128> pdv;
  SecretBytes<32> seed;
  std::uint32_t epoch = 0;
  [[nodiscard]] ChainState clone() const { return {pdv.clone(), seed.clone(), epoch}; }
};

/// A whole relationship as the NMM issues it: three fresh chains at epoch 0.
struct Asr {
  AsrDescription description;
  std::array<ChainState, kChainCount> chains;
  [[nodiscard]] Asr clone() const {
    return {description, {chains[0].clone(), chains[1].clone(), chains[2].clone()}};
  }
};

}  // namespace akm::protocol
