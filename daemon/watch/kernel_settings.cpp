#include "daemon/watch/kernel_settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

using policy::DetectionClass;

enum class Weaker : std::uint8_t { lower, higher, other, bpf };
struct Setting {
  std::string_view name;
  Weaker weaker;
  DetectionClass detection = DetectionClass::hardening_weakened;
};

constexpr auto kSettings = std::to_array<Setting>({
    {"kernel/yama/ptrace_scope", Weaker::lower},
    {"kernel/unprivileged_bpf_disabled", Weaker::bpf},
    {"kernel/kptr_restrict", Weaker::lower},
    {"kernel/randomize_va_space", Weaker::lower},
    {"kernel/modules_disabled", Weaker::lower},
    {"kernel/io_uring_disabled", Weaker::lower},
    {"kernel/dmesg_restrict", Weaker::lower},
    {"kernel/kexec_load_disabled", Weaker::lower},
    {"kernel/perf_event_paranoid", Weaker::lower},
    {"kernel/unprivileged_userns_clone", Weaker::higher},
    {"kernel/apparmor_restrict_unprivileged_userns", Weaker::lower},
    {"dev/tty/ldisc_autoload", Weaker::higher},
    {"fs/protected_symlinks", Weaker::lower},
    {"fs/protected_hardlinks", Weaker::lower},
    {"fs/protected_fifos", Weaker::lower},
    {"fs/protected_regular", Weaker::lower},
    {"net/core/bpf_jit_harden", Weaker::lower},
    {"vm/mmap_min_addr", Weaker::lower},
    {"vm/unprivileged_userfaultfd", Weaker::higher},
    {"fs/suid_dumpable", Weaker::higher, DetectionClass::core_dump_redirected},
    {"kernel/core_pattern", Weaker::other, DetectionClass::core_dump_redirected},
});

const Setting* setting(std::string_view name) {
  const auto* const found = std::ranges::find(kSettings, name, &Setting::name);
  return found == kSettings.end() ? nullptr : found;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

bool is_weaker_setting(std::string_view name, std::string_view before, std::string_view after) {
  const Setting* const one = setting(name);
  if (one == nullptr || before == after) return false;
  const auto was = number(before);
  const auto is = number(after);
  // A setting that cannot be read any more, or makes no number: nothing says that it still holds.
  if (one->weaker == Weaker::other || !was || !is) return before != kAbsent;
  switch (one->weaker) {
    case Weaker::lower:
      return *is < *was;
    case Weaker::higher:
      return *is > *was;
    case Weaker::bpf:  // 1 is for good, 2 until root changes it, 0 is open
      return *was == 1 || *is == 0;
    case Weaker::other:
      break;
  }
  return true;
}

void KernelSettings::look(Instant now, const Tell& tell) {
  Facts facts;
  for (const Setting& one : kSettings) {
    if (auto value = read_system_value(sysctl_ + "/" + std::string(one.name)))
      facts.emplace(one.name, std::move(*value));
  }
  for (Change& change : baseline_.compare(std::move(facts))) {
    const bool weaker = is_weaker_setting(change.name, change.before, change.after);
    if (!change.back && !weaker) {
      baseline_.accept(change.name);
      continue;
    }
    tell(seen(setting(change.name)->detection, now, change));
  }
}

}  // namespace akm::watch
