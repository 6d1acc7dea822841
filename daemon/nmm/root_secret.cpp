#include "daemon/nmm/root_secret.h"

#include <algorithm>

#include "daemon/base/cursor.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::nmm {
namespace {

using protocol::kProvisioningRootBytes;
using protocol::NumberedSecret;

// Version 1: u8 version || u64 nmm_id || 64 bytes, which is secret number 1.
// Version 2: u8 version || u64 nmm_id || (u32 number || 64 bytes) for each, by rising number.
constexpr std::uint8_t kOneSecret = 1;
constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kHeadBytes = 1 + 8;
constexpr std::size_t kNumberBytes = 4;

}  // namespace

Result<RootSecret::Content> RootSecret::decode(std::span<const std::uint8_t> bytes) const {
  Reader reader(bytes);
  Content out;
  const std::uint8_t version = reader.u8();
  out.nmm_id = reader.u64();
  const bool one = version == kOneSecret;
  const std::size_t each = kProvisioningRootBytes + (one ? 0 : kNumberBytes);
  const std::size_t count = bytes.size() < kHeadBytes ? 0 : (bytes.size() - kHeadBytes) / each;
  const bool whole = bytes.size() == kHeadBytes + count * each && count <= protocol::kRootSecrets;
  const bool known = version == kVersion || (one && count == 1);
  if (!whole || !known || out.nmm_id == 0) return fail(Errc::state_corrupt, std::string(record_));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = one ? 1 : reader.u32();
    const auto secret = reader.bytes(kProvisioningRootBytes).first<kProvisioningRootBytes>();
    out.secrets.push_back({number, protocol::ProvisioningRoot::copy_of(secret)});
  }
  return out;
}

Status RootSecret::load() {
  const auto record = store_.read(record_);
  if (!record && record.error().code == Errc::not_found) return {};
  if (!record) return std::unexpected(record.error());
  AKM_ASSIGN(const Content content, decode(record->reveal()));
  nmm_id_ = content.nmm_id;
  numbers_.clear();
  for (const NumberedSecret& one : content.secrets) numbers_.insert(one.number);
  return {};
}

Status RootSecret::write(protocol::NodeId nmm_id, const std::vector<NumberedSecret>& secrets) {
  SecretBuffer record(kHeadBytes + secrets.size() * (kNumberBytes + kProvisioningRootBytes));
  Writer writer(record.reveal_mutable());
  writer.u8(kVersion);
  writer.u64(nmm_id);
  for (const NumberedSecret& one : secrets) {
    writer.u32(one.number);
    writer.bytes(one.secret.reveal());
  }
  AKM_TRY(store_.write(record_, record.reveal()));
  nmm_id_ = nmm_id;
  numbers_.clear();
  for (const NumberedSecret& one : secrets) numbers_.insert(one.number);
  return {};
}

Status RootSecret::create() {
  if (nmm_id_ != 0) return fail(Errc::already_exists, "provisioning root secret");
  // What does not open is not overwritten: all nodes hang on it.
  if (const auto present = store_.read(record_); present || present.error().code != Errc::not_found) {
    return fail(Errc::already_exists, "provisioning root secret");
  }
  protocol::NodeId nmm_id = 0;
  while (nmm_id == 0) {
    AKM_ASSIGN(nmm_id, random_u64(random_));
  }
  std::vector<NumberedSecret> secrets(1);
  secrets[0].number = 1;
  AKM_TRY(random_.fill(secrets[0].secret.reveal_mutable()));
  crypto::observe_secret("provisioning root secret", secrets[0].secret.reveal());
  return write(nmm_id, secrets);
}

Status RootSecret::take(protocol::NodeId nmm_id, const std::vector<NumberedSecret>& secrets) {
  for (const NumberedSecret& one : secrets)
    crypto::observe_secret("provisioning root secret", one.secret.reveal());
  return write(nmm_id, secrets);
}

Status RootSecret::keep(const std::set<std::uint32_t>& used) {
  const std::uint32_t last = newest();
  const auto wanted = [&](std::uint32_t number) { return number == last || used.contains(number); };
  if (std::ranges::all_of(numbers_, wanted)) return {};
  AKM_ASSIGN(std::vector<NumberedSecret> secrets, read_all());
  std::erase_if(secrets, [&](const NumberedSecret& one) { return !wanted(one.number); });
  return write(nmm_id_, secrets);
}

Status RootSecret::erase() {
  return write(nmm_id_, {});
}

Result<protocol::ProvisioningRoot> RootSecret::read(std::uint32_t number) {
  AKM_ASSIGN(std::vector<NumberedSecret> secrets, read_all());
  const auto found = std::ranges::find(secrets, number, &NumberedSecret::number);
  if (found == secrets.end())
    return fail(Errc::not_found, "provisioning root secret " + std::to_string(number));
  return std::move(found->secret);
}

Result<std::vector<NumberedSecret>> RootSecret::read_all() {
  if (nmm_id_ == 0) return fail(Errc::wrong_state, "there is no provisioning root secret yet");
  if (numbers_.empty())
    return fail(Errc::wrong_state,
                "another machine has this one's place: it holds no provisioning root secret");
  AKM_ASSIGN(const SecretBuffer record, store_.read(record_));
  AKM_ASSIGN(Content content, decode(record.reveal()));
  return std::move(content.secrets);
}

}  // namespace akm::nmm
