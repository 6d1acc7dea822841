#include "daemon/watch/mac_state.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

constexpr auto kLockdownModes = std::to_array<std::string_view>({"none", "integrity", "confidentiality"});

std::size_t rank(std::string_view mode) {
  return static_cast<std::size_t>(std::ranges::find(kLockdownModes, mode) - kLockdownModes.begin());
}

std::size_t number(std::string_view text) {
  std::size_t out = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

bool is_weaker(const Change& change) {
  if (change.before == kAbsent) return false;  // it was switched on
  if (change.after == kAbsent) return true;
  if (change.name == "lockdown") return rank(change.after) < rank(change.before);
  if (change.name == "selinux-enforce" || change.name == "apparmor-enforced-profiles")
    return number(change.after) < number(change.before);
  return true;
}

}  // namespace

std::string lockdown_mode(std::string_view text) {
  const std::size_t begin = text.find('[');
  const std::size_t end = text.find(']', begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return {};
  return std::string(text.substr(begin + 1, end - begin - 1));
}

std::size_t enforced_profiles(std::string_view text) {
  constexpr std::string_view kEnforced = "(enforce)";
  std::size_t count = 0;
  for (std::size_t at = text.find(kEnforced); at != std::string_view::npos;
       at = text.find(kEnforced, at + kEnforced.size()))
    ++count;
  return count;
}

Result<Facts> MacState::facts() const {
  Facts out;
  const std::string security = sys_ + "/kernel/security/";
  const auto as_it_is = [](const std::string& text) { return text; };
  const auto count = [](const std::string& text) { return std::to_string(enforced_profiles(text)); };
  // Readable only where the kernel was built so; the rules may be many, their digest is enough.
  const auto digest = [](const std::string& text) {
    return hex(crypto::sha256({std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())}));
  };
  const auto take = [&out](const std::string& name, const Result<std::string>& read, auto fact) -> Status {
    if (read) out.emplace(name, fact(*read));
    if (!read && read.error().code == Errc::io_failed) return std::unexpected(read.error());
    return {};
  };
  AKM_TRY(take("security-modules", read_system_value(security + "lsm"), as_it_is));
  AKM_TRY(take("selinux-enforce", read_system_value(sys_ + "/fs/selinux/enforce"), as_it_is));
  AKM_TRY(take("apparmor", read_system_value(sys_ + "/module/apparmor/parameters/enabled"), as_it_is));
  AKM_TRY(take("evm", read_system_value(security + "evm"), as_it_is));
  AKM_TRY(take("lockdown", read_system_value(security + "lockdown"), lockdown_mode));
  AKM_TRY(take("apparmor-enforced-profiles", read_system_file(security + "apparmor/profiles"), count));
  AKM_TRY(take("ima-policy", read_system_file(security + "ima/policy"), digest));
  return out;
}

void MacState::look(Instant now, const Tell& tell) {
  auto found = facts();
  if (!found) return;
  for (const Change& change : baseline_.compare(std::move(*found))) {
    if (!change.back && !is_weaker(change)) {
      baseline_.accept(change.name);
      continue;
    }
    tell(seen(policy::DetectionClass::mac_disabled, now, change));
  }
}

}  // namespace akm::watch
