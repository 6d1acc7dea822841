#include "daemon/service/state_format.h"

#include <array>
#include <string>

#include "daemon/base/cursor.h"

namespace akm::service {
namespace {

constexpr std::string_view kRecord = "format";
constexpr std::size_t kRecordBytes = 4;
constexpr std::uint32_t kUnnumbered = 1;

/// A state without the record is of the first form, or has nothing in it yet: the steps find nothing then.
Result<std::uint32_t> number_of(store::SealedStore& store) {
  const auto record = store.read(kRecord);
  if (!record && record.error().code == Errc::not_found) return kUnnumbered;
  if (!record) return std::unexpected(record.error());
  Reader reader(record->reveal());
  const std::uint32_t number = reader.u32();
  // Longer ones belong to later programs too.
  if (record->size() < kRecordBytes || number == 0) return fail(Errc::state_corrupt, std::string(kRecord));
  return number;
}

Status write_number(store::SealedStore& store, std::uint32_t number) {
  std::array<std::uint8_t, kRecordBytes> bytes{};
  Writer(bytes).u32(number);
  return store.write(kRecord, bytes);
}

/// Nothing that exists changes: what is new stands in records, or fields, of its own.
Status to_numbered(store::SealedStore&) {
  return {};
}

}  // namespace

std::span<const FormatStep> state_steps() {
  static const std::array<FormatStep, 1> kSteps{to_numbered};
  return kSteps;
}

Status migrate_state(store::SealedStore& store, std::span<const FormatStep> steps) {
  const auto known = static_cast<std::uint32_t>(kUnnumbered + steps.size());
  AKM_ASSIGN(std::uint32_t number, number_of(store));
  if (number > known)
    return fail(Errc::newer_version, "the state has form " + std::to_string(number) +
                                         ", this program knows up to " + std::to_string(known));
  for (; number < known; ++number) {
    AKM_TRY(steps[number - kUnnumbered](store));
    AKM_TRY(write_number(store, number + 1));
  }
  return {};
}

}  // namespace akm::service
