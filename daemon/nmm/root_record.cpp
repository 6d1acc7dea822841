#include "daemon/nmm/root_record.h"

#include <array>
#include <string>

#include "daemon/base/cursor.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kRecord = "nmm-root-link";
// Version 1: u8 version || u8 flags || u64 acked
// Version 2: the same || u64 forget_for
constexpr std::uint8_t kWithoutForget = 1;
constexpr std::uint8_t kVersion = 2;
constexpr std::size_t kForgetBytes = 8;
constexpr std::size_t kRecordBytes = 1 + 1 + 8 + kForgetBytes;
constexpr std::uint8_t kSecured = 1;
constexpr std::uint8_t kRestoring = 2;
constexpr std::uint8_t kCalling = 4;

}  // namespace

Result<std::optional<RootRecord>> RootRecords::load() {
  AKM_ASSIGN(auto node, nodes_.load());
  if (!node) return std::optional<RootRecord>();
  RootRecord out{std::move(*node)};
  const auto bytes = store_.read(kRecord);
  if (!bytes && bytes.error().code != Errc::not_found) return std::unexpected(bytes.error());
  if (!bytes)
    return std::optional(std::move(out));  // a crash between the two: nothing has been exchanged yet
  Reader reader(bytes->reveal());
  const std::uint8_t version = reader.u8();
  const std::uint8_t flags = reader.u8();
  out.acked = reader.u64();
  const bool older = version == kWithoutForget && bytes->size() == kRecordBytes - kForgetBytes;
  if (!older) out.forget_for = reader.u64();
  if (!older && (bytes->size() != kRecordBytes || version != kVersion))
    return fail(Errc::state_corrupt, std::string(kRecord));
  out.secured = (flags & kSecured) != 0;
  out.restoring = (flags & kRestoring) != 0;
  out.calling = (flags & kCalling) != 0;
  return std::optional(std::move(out));
}

Status RootRecords::save_progress(const RootRecord& record) {
  std::array<std::uint8_t, kRecordBytes> bytes{};
  Writer writer(bytes);
  writer.u8(kVersion);
  writer.u8(static_cast<std::uint8_t>((record.secured ? kSecured : 0) | (record.restoring ? kRestoring : 0) |
                                      (record.calling ? kCalling : 0)));
  writer.u64(record.acked);
  writer.u64(record.forget_for);
  return store_.write(kRecord, bytes);
}

/// How far they have come first: a crash in between leaves a node's record that has not come so far.
Status RootRecords::save(const RootRecord& record) {
  AKM_TRY(save_progress(record));
  return nodes_.save(record.node);
}

}  // namespace akm::nmm
