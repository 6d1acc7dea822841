#pragma once
// Provisioning credentials (section 7): from the NMM's root secret, bound to the hardware value.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/protocol/asr.h"

namespace akm::protocol {

inline constexpr std::size_t kProvisioningRootBytes = 64;
inline constexpr std::size_t kMaskBytes = 480;
inline constexpr std::size_t kSingleUseIdBytes = 16;
using ProvisioningRoot = SecretBytes<kProvisioningRootBytes>;
using HardwareValue = Digest32;
using SingleUseId = std::array<std::uint8_t, kSingleUseIdBytes>;
using Mask = std::array<std::uint8_t, kMaskBytes>;
using Chains = std::array<ChainState, kChainCount>;

/// The value for a node whose hardware is not known beforehand.
inline constexpr HardwareValue kUnknownHardware{};

struct HardwareSource {
  std::string
      name;  // "tpm-ek-name", "dmi-product-uuid", "dmi-board-serial", "nic-permanent-mac", "root-disk-serial"
  std::string value;  // 1 to 256 bytes of UTF-8
};
/// In any order; they are put into the order of section 7. no_hardware_source for none; invalid_argument for
/// an unknown or double name.
Result<HardwareValue> hardware_value(std::span<const HardwareSource> sources);

/// The three chains at epoch 0.
Result<Chains> derive_provisioning_chains(const ProvisioningRoot& root, const HardwareValue& hardware,
                                          NodeId nmm_id, NodeId node_id, std::uint32_t serial);
/// The chains XOR what hardware value and single-use id give; unmask_chains is its inverse, on that hardware
/// only.
Result<Mask> mask_chains(const Chains& chains, const HardwareValue& hardware, const SingleUseId& use_id);
Result<Chains> unmask_chains(const Mask& mask, const HardwareValue& hardware, const SingleUseId& use_id);

/// Tells on a machine whether a mask is for it, before anything is changed there; says nothing of the chains.
using HardwareCheck = std::array<std::uint8_t, 16>;
Result<HardwareCheck> hardware_check(const HardwareValue& hardware, const SingleUseId& use_id);

/// What both sides know of a provisioning ASR, beside its chains.
struct ProvisioningIdentity {
  AsrId asr_id = 0;
  NodeId nmm_id = 0;
  NodeId node_id = 0;
  std::uint32_t serial = 1;  // the generation
  Suite suite = Suite::hkdf_sha256_aes256gcm;
  std::string nmm_name;
  std::string node_name;
  std::vector<std::string> nmm_endpoints;
  Policy policy;
  bool operator==(const ProvisioningIdentity&) const = default;
};
/// Two members: NMM (index 0, with its endpoints) and node (index 1, its endpoint is learned). The NMM gives
/// the chains that it derived, the node those that it unmasked. invalid_argument: see
/// AsrDescription::check().
Result<Asr> make_provisioning_asr(const ProvisioningIdentity& identity, Chains chains);

}  // namespace akm::protocol
