#include "daemon/nmm/running_clock.h"

#include <algorithm>
#include <chrono>

#include "daemon/base/cursor.h"

namespace akm::nmm {
namespace {

constexpr std::string_view kRecord = "nmm-clock";
constexpr std::uint8_t kVersion = 1;
// u8 version || boot id || u64 boottime_ns || u64 seconds
constexpr std::size_t kRecordBytes = 1 + 16 + 8 + 8;

std::uint64_t whole_seconds(Duration elapsed) {
  const auto count = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
  return count > 0 ? static_cast<std::uint64_t>(count) : 0;
}

}  // namespace

Status RunningClock::load(const BootId& boot, Instant now) {
  boot_ = boot;
  origin_ = now;
  base_s_ = 0;
  const auto record = store_.read(kRecord);
  Status taken;
  if (record) {
    Reader reader(record->reveal());
    const std::uint8_t version = reader.u8();
    const auto stored_boot = reader.bytes(boot.size());
    const Instant at{static_cast<std::int64_t>(reader.u64())};
    base_s_ = reader.u64();
    if (!reader.done() || version != kVersion) {
      base_s_ = 0;
      taken = fail(Errc::state_corrupt, std::string(kRecord));
    } else if (std::ranges::equal(stored_boot, boot)) {
      base_s_ += whole_seconds(now - at);
    }
  } else if (record.error().code != Errc::not_found) {
    taken = std::unexpected(record.error());
  }
  if (!taken && taken.error().code != Errc::state_corrupt) return taken;
  if (!taken) {
    if (const auto kept = store_.set_aside(kRecord)) taken.error().detail += ", as " + *kept;
  }
  AKM_TRY(save(now));
  return taken;
}

std::uint64_t RunningClock::seconds(Instant now) const {
  return base_s_ + whole_seconds(now - origin_);
}

Status RunningClock::save(Instant now) {
  saved_ = now;  // also when it fails: tried again in an hour, not in each turn
  std::array<std::uint8_t, kRecordBytes> record{};
  Writer writer(record);
  writer.u8(kVersion);
  writer.bytes(boot_);
  writer.u64(static_cast<std::uint64_t>(now.ns));
  writer.u64(seconds(now));
  return store_.write(kRecord, record);
}

}  // namespace akm::nmm
