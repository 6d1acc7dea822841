#include "daemon/nmm/root_secret.h"

#include "daemon/base/cursor.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kRecord = "nmm-root";
constexpr std::uint8_t kVersion = 1;
// u8 version || u64 nmm_id || 64 bytes PRS
constexpr std::size_t kRecordBytes = 1 + 8 + protocol::kProvisioningRootBytes;

}  // namespace

Status RootSecret::load() {
  const auto record = store_.read(kRecord);
  if (!record && record.error().code == Errc::not_found) return {};
  if (!record) return std::unexpected(record.error());
  Reader reader(record->reveal());
  const std::uint8_t version = reader.u8();
  const protocol::NodeId nmm_id = reader.u64();
  if (record->size() != kRecordBytes || version != kVersion || nmm_id == 0) {
    return fail(Errc::state_corrupt, std::string(kRecord));
  }
  nmm_id_ = nmm_id;
  return {};
}

Status RootSecret::create() {
  if (nmm_id_ != 0) return fail(Errc::already_exists, "provisioning root secret");
  // What does not open is not overwritten: all nodes hang on it.
  if (const auto present = store_.read(kRecord); present || present.error().code != Errc::not_found) {
    return fail(Errc::already_exists, "provisioning root secret");
  }
  protocol::NodeId nmm_id = 0;
  while (nmm_id == 0) {
    AKM_ASSIGN(nmm_id, random_u64(random_));
  }
  SecretBuffer record(kRecordBytes);
  Writer writer(record.reveal_mutable());
  writer.u8(kVersion);
  writer.u64(nmm_id);
  const auto secret = record.reveal_mutable().last(protocol::kProvisioningRootBytes);
  AKM_TRY(random_.fill(secret));
  crypto::observe_secret("provisioning root secret", secret);
  AKM_TRY(store_.write(kRecord, record.reveal()));
  nmm_id_ = nmm_id;
  return {};
}

Result<protocol::ProvisioningRoot> RootSecret::read() {
  if (nmm_id_ == 0) return fail(Errc::wrong_state, "there is no provisioning root secret yet");
  AKM_ASSIGN(const SecretBuffer record, store_.read(kRecord));
  if (record.size() != kRecordBytes) return fail(Errc::state_corrupt, std::string(kRecord));
  return protocol::ProvisioningRoot::copy_of(record.reveal().last<protocol::kProvisioningRootBytes>());
}

}  // namespace akm::nmm
