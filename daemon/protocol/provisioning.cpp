#include "daemon/protocol/provisioning.h"

#include <algorithm>

#include "daemon/base/clean_text.h"
#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {
namespace {

// Section 7: the order in which sources enter the hardware value.
constexpr std::array<std::string_view, 5> kSourceOrder{"tpm-ek-name", "dmi-product-uuid", "dmi-board-serial",
                                                       "nic-permanent-mac", "root-disk-serial"};
constexpr std::size_t kSourceValueBytes = 256;
constexpr std::array<std::uint8_t, 14> kHardwareLabel{'a', 'k', 'm', '1', ' ', 'h', 'a',
                                                      'r', 'd', 'w', 'a', 'r', 'e', 0};
constexpr std::array<std::uint8_t, 15> kProvisionLabel{'a', 'k', 'm', '1', ' ', 'p', 'r', 'o',
                                                       'v', 'i', 's', 'i', 'o', 'n', 0};
constexpr std::array<std::uint8_t, 10> kMaskLabel{'a', 'k', 'm', '1', ' ', 'm', 'a', 's', 'k', 0};
constexpr std::array<std::uint8_t, 11> kCheckLabel{'a', 'k', 'm', '1', ' ', 'c', 'h', 'e', 'c', 'k', 0};

// The suite of an ASR does not matter here: provisioning is always HKDF-SHA-256.
constexpr crypto::Hash kHash = crypto::Hash::sha256;

using ChainBytes = SecretBytes<kMaskBytes>;

ChainBytes join(const Chains& chains) {
  ChainBytes out;
  Writer writer(out.reveal_mutable());
  for (const ChainState& chain : chains) {
    writer.bytes(chain.pdv.reveal());
    writer.bytes(chain.seed.reveal());
  }
  return out;
}

Chains split(const ChainBytes& bytes) {
  Chains out;
  Reader reader(bytes.reveal());
  for (ChainState& chain : out) {
    chain.pdv = SecretBytes<128>::copy_of(reader.bytes(128).first<128>());
    chain.seed = SecretBytes<32>::copy_of(reader.bytes(32).first<32>());
    crypto::observe_secret("provisioning pdv", chain.pdv.reveal());
    crypto::observe_secret("provisioning seed", chain.seed.reveal());
  }
  return out;
}

Result<ChainBytes> mask_stream(const HardwareValue& hardware, const SingleUseId& use_id) {
  AKM_ASSIGN(const SecretBuffer prk, crypto::hkdf_extract(kHash, use_id, {hardware}));
  ChainBytes out;
  AKM_TRY(crypto::hkdf_expand(kHash, prk.reveal(), {kMaskLabel}, out.reveal_mutable()));
  return out;
}

void xor_into(std::span<std::uint8_t> target, std::span<const std::uint8_t> other) {
  std::ranges::transform(target, other, target.begin(),
                         [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a ^ b); });
}

}  // namespace

Result<HardwareValue> hardware_value(std::span<const HardwareSource> sources) {
  if (sources.empty()) return fail(Errc::no_hardware_source);
  CborWriter writer;
  writer.array(sources.size());
  std::size_t written = 0;
  for (const std::string_view name : kSourceOrder) {
    for (const HardwareSource& source : sources) {
      if (source.name != name) continue;
      if (source.value.empty() || source.value.size() > kSourceValueBytes || !is_clean_text(source.value)) {
        return fail(Errc::invalid_argument, "value of hardware source " + source.name);
      }
      writer.array(2);
      writer.text(source.name);
      writer.text(source.value);
      ++written;
    }
  }
  // A double name takes the room of an unknown one; both are told by the count, doubles by a second look.
  const auto twice = [&](const HardwareSource& source) {
    return std::ranges::count(sources, source.name, &HardwareSource::name) > 1;
  };
  if (written != sources.size() || std::ranges::any_of(sources, twice)) {
    return fail(Errc::invalid_argument, "unknown or double hardware source");
  }
  const std::vector<std::uint8_t> encoded = writer.take();
  return crypto::sha256({kHardwareLabel, encoded});
}

Result<Chains> derive_provisioning_chains(const ProvisioningRoot& root, const HardwareValue& hardware,
                                          NodeId nmm_id, NodeId node_id, std::uint32_t serial) {
  if (nmm_id == 0 || node_id == 0 || serial == 0) return fail(Errc::invalid_argument, "id or serial 0");
  std::array<std::uint8_t, 20> info{};
  Writer writer(info);
  writer.u64(nmm_id);
  writer.u64(node_id);
  writer.u32(serial);
  AKM_ASSIGN(const SecretBuffer prk, crypto::hkdf_extract(kHash, hardware, {root.reveal()}));
  ChainBytes bytes;
  AKM_TRY(crypto::hkdf_expand(kHash, prk.reveal(), {kProvisionLabel, info}, bytes.reveal_mutable()));
  return split(bytes);
}

Result<Mask> mask_chains(const Chains& chains, const HardwareValue& hardware, const SingleUseId& use_id) {
  AKM_ASSIGN(ChainBytes bytes, mask_stream(hardware, use_id));
  xor_into(bytes.reveal_mutable(), join(chains).reveal());
  Mask out{};
  std::ranges::copy(bytes.reveal(), out.begin());
  crypto::observe_secret("bundle mask", out);
  return out;
}

Result<Chains> unmask_chains(const Mask& mask, const HardwareValue& hardware, const SingleUseId& use_id) {
  crypto::observe_secret("bundle mask", mask);  // who knows the machine has the credentials of it
  AKM_ASSIGN(ChainBytes bytes, mask_stream(hardware, use_id));
  xor_into(bytes.reveal_mutable(), mask);
  return split(bytes);
}

Result<HardwareCheck> hardware_check(const HardwareValue& hardware, const SingleUseId& use_id) {
  AKM_ASSIGN(const SecretBuffer prk, crypto::hkdf_extract(kHash, use_id, {hardware}));
  HardwareCheck out{};
  AKM_TRY(crypto::hkdf_expand(kHash, prk.reveal(), {kCheckLabel}, out));
  return out;
}

Result<Asr> make_provisioning_asr(const ProvisioningIdentity& identity, Chains chains) {
  Asr out;
  AsrDescription& asr = out.description;
  asr.id = identity.asr_id;
  asr.kind = Kind::provisioning;
  asr.label = identity.node_name.empty() ? "provisioning" : identity.node_name;
  asr.suite = identity.suite;
  asr.generation = identity.serial;
  asr.roster.push_back({.index = kNmmIndex,
                        .node_id = identity.nmm_id,
                        .role = Role::nmm,
                        .name = identity.nmm_name,
                        .endpoints = identity.nmm_endpoints});
  asr.roster.push_back({.index = kNodeIndex,
                        .node_id = identity.node_id,
                        .role = Role::node,
                        .name = identity.node_name,
                        .endpoints = {}});
  asr.policy = identity.policy;
  AKM_TRY(asr.check());
  out.chains = std::move(chains);
  return out;
}

}  // namespace akm::protocol
