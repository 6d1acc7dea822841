#include "daemon/nmm/incarnation_base.h"

#include <array>

#include "daemon/base/cursor.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kRecord = "nmm-incarnation-base";
constexpr std::size_t kRecordBytes = 4;

}  // namespace

Result<std::uint32_t> incarnation_base(store::SealedStore& store) {
  const auto record = store.read(kRecord);
  if (!record && record.error().code == Errc::not_found) return 0U;
  if (!record) return std::unexpected(record.error());
  if (record->size() != kRecordBytes) return fail(Errc::state_corrupt, std::string(kRecord));
  return Reader(record->reveal()).u32();
}

Result<bool> raise_incarnation(store::SealedStore& store, std::uint32_t counted, std::uint32_t floor) {
  if (counted >= floor) return false;
  AKM_ASSIGN(const std::uint32_t base, incarnation_base(store));
  const std::uint32_t raised = floor - counted;
  if (base >= raised) return false;
  if (raised > UINT32_MAX / 2) return fail(Errc::exhausted, "incarnations");
  std::array<std::uint8_t, kRecordBytes> bytes{};
  Writer(bytes).u32(raised);
  AKM_TRY(store.write(kRecord, bytes));
  return true;
}

}  // namespace akm::nmm
