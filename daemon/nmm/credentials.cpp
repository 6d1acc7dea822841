#include "daemon/nmm/credentials.h"

#include "daemon/base/cursor.h"
#include "daemon/base/hex.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kPrefix = "nmm-cred-";
constexpr std::size_t kChainBytes = 128 + 32;
// u32 generation || 3 x (PDV || seed)
constexpr std::size_t kHeadBytes = 4;
constexpr std::size_t kRecordBytes = kHeadBytes + protocol::kChainCount * kChainBytes;

std::string record_name(protocol::AsrId asr_id) {
  return std::string(kPrefix) + hex_id(asr_id);
}

protocol::Chains chains_of(std::span<const std::uint8_t> secrets) {
  protocol::Chains chains;
  for (protocol::ChainState& chain : chains) {
    chain.pdv = SecretBytes<128>::copy_of(secrets.first<128>());
    chain.seed = SecretBytes<32>::copy_of(secrets.subspan<128, 32>());
    secrets = secrets.subspan(kChainBytes);
  }
  return chains;
}

}  // namespace

Result<Credentials::Drawn> Credentials::draw(protocol::AsrId asr_id, std::uint32_t generation) {
  SecretBuffer record(kRecordBytes);
  Writer(record.reveal_mutable()).u32(generation);
  const auto secrets = record.reveal_mutable().subspan(kHeadBytes);
  AKM_TRY(random_.fill(secrets));
  for (std::size_t chain = 0; chain < protocol::kChainCount; ++chain) {
    crypto::observe_secret("drawn PDV", secrets.subspan(chain * kChainBytes, 128));
    crypto::observe_secret("drawn seed", secrets.subspan(chain * kChainBytes + 128, 32));
  }
  protocol::Chains chains = chains_of(secrets);
  return Drawn{record_name(asr_id), std::move(record), std::move(chains)};
}

Result<protocol::Chains> Credentials::read(protocol::AsrId asr_id, std::uint32_t generation) {
  AKM_ASSIGN(const SecretBuffer record, store_.read(record_name(asr_id)));
  if (record.size() != kRecordBytes) return fail(Errc::state_corrupt, record_name(asr_id));
  if (Reader(record.reveal()).u32() != generation)
    return fail(Errc::not_found, "credentials of this generation");
  return chains_of(record.reveal().subspan(kHeadBytes));
}

Status Credentials::erase(protocol::AsrId asr_id) {
  return store_.remove(record_name(asr_id));
}

Result<std::vector<protocol::AsrId>> Credentials::stored() {
  std::vector<protocol::AsrId> out;
  AKM_ASSIGN(const auto names, store_.list());
  for (const std::string& name : names) {
    if (!name.starts_with(kPrefix)) continue;
    if (const auto asr_id = parse_hex_id(std::string_view(name).substr(kPrefix.size())))
      out.push_back(*asr_id);
  }
  return out;
}

}  // namespace akm::nmm
