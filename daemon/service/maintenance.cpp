#include "daemon/service/maintenance.h"

#include <algorithm>
#include <utility>

#include "daemon/base/clean_text.h"
#include "daemon/protocol/cbor.h"

namespace akm::service {
namespace {

using protocol::CborReader;
using protocol::CborWriter;
using Windows = std::map<std::string, MaintenanceWindow>;

std::uint64_t number(Instant at) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(at.ns, 0));
}

Instant read_instant(CborReader& reader) {
  return Instant{static_cast<std::int64_t>(reader.unsigned_integer(INT64_MAX))};
}

}  // namespace

/// [boot, [[scope, since_ns, until_ns, why], ..]]
std::vector<std::uint8_t> Maintenance::encode(const Windows& windows) const {
  CborWriter writer;
  writer.array(2);
  writer.bytes(boot_);
  writer.array(windows.size());
  for (const auto& [scope, window] : windows) {
    writer.array(4);
    writer.text(scope);
    writer.unsigned_integer(number(window.since));
    writer.unsigned_integer(number(window.until));
    writer.text(window.why);
  }
  return writer.take();
}

Status Maintenance::load(Instant now) {
  const auto stored = store_.read(kMaintenanceRecord);
  if (!stored && stored.error().code == Errc::not_found) return {};
  if (!stored) return std::unexpected(stored.error());
  CborReader reader(stored->reveal());
  Windows windows;
  if (reader.array(2) != 2) reader.refuse("maintenance");
  const auto boot = reader.bytes(boot_.size(), boot_.size());
  const bool this_boot = std::ranges::equal(boot, boot_);
  for (std::size_t left = reader.array(kMaintenanceWindows); left > 0 && reader.ok(); --left) {
    if (reader.array(4) != 4) reader.refuse("maintenance");
    const std::string scope(reader.text(kMaintenanceScopeBytes));
    MaintenanceWindow window;
    window.since = read_instant(reader);
    window.until = read_instant(reader);
    window.why = reader.text(kMaintenanceWhyBytes);
    windows.emplace(scope, std::move(window));
  }
  if (!reader.finish()) return fail(Errc::state_corrupt, std::string(kMaintenanceRecord));
  if (!this_boot) return {};
  std::erase_if(windows, [&](const auto& one) { return one.second.until <= now; });
  windows_ = std::move(windows);
  return {};
}

Status Maintenance::put(Windows windows) {
  AKM_TRY(store_.write(kMaintenanceRecord, encode(windows)));
  windows_ = std::move(windows);
  return {};
}

Status Maintenance::open(const std::string& scope, Duration length, const std::string& why, Instant now) {
  if (why.empty() || why.size() > kMaintenanceWhyBytes || !is_clean_text(why))
    return fail(Errc::invalid_argument, "a window needs a reason: 1 to 256 bytes without control characters");
  if (length <= Duration{0}) return fail(Errc::invalid_argument, "a window needs a length");
  Windows next = windows(now);
  if (!next.contains(scope) && next.size() >= kMaintenanceWindows)
    return fail(Errc::limit_exceeded, "256 windows are open");
  next[scope] = {now, now + length, why};
  return put(std::move(next));
}

Status Maintenance::close(const std::string& scope, Instant now) {
  Windows next = windows(now);
  if (next.erase(scope) == 0) return fail(Errc::not_found, "no window is open");
  return put(std::move(next));
}

const MaintenanceWindow* Maintenance::window(const std::string& scope, Instant now) const {
  const auto found = windows_.find(scope);
  return found == windows_.end() || found->second.until <= now ? nullptr : &found->second;
}

Windows Maintenance::windows(Instant now) const {
  Windows out = windows_;
  std::erase_if(out, [&](const auto& one) { return one.second.until <= now; });
  return out;
}

std::optional<Instant> Maintenance::next_end(Instant now) const {
  std::optional<Instant> out;
  for (const auto& [scope, window] : windows_) {
    if (window.until > now && (!out || window.until < *out)) out = window.until;
  }
  return out;
}

}  // namespace akm::service
