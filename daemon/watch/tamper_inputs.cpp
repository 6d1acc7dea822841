#include "daemon/watch/tamper_inputs.h"

#include <fcntl.h>
#include <linux/input.h>
#include <sys/ioctl.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>

#include "daemon/base/hex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

constexpr std::size_t kEntriesMax = 1024;

Result<std::string> switches_of(const std::string& device) {
  const UniqueFd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::array<std::uint8_t, (SW_MAX / 8) + 1> states{};
  if (!fd || ::ioctl(fd.get(), EVIOCGSW(states.size()), states.data()) < 0)
    return fail_errno(Errc::io_failed, device);
  return "switches " + hex(states);
}

/// hwmonN/intrusionM_alarm: 1 from when the case was opened until root writes 0.
void add_chassis(Facts& facts, const std::string& folder) {
  std::error_code error;
  std::filesystem::directory_iterator at(folder, error);
  for (std::size_t left = kEntriesMax; !error && at != std::filesystem::directory_iterator() && left > 0;
       --left) {
    for (int number = 0; number < 4; ++number) {
      const std::string path = at->path().string() + "/intrusion" + std::to_string(number) + "_alarm";
      if (auto value = read_system_value(path)) facts.emplace(path, std::move(*value));
    }
    at.increment(error);
  }
}

}  // namespace

void TamperInputs::look(Instant now, const Tell& tell) {
  const bool first = !baseline_.ready();
  Facts facts;
  add_chassis(facts, sys_ + "/class/hwmon");
  for (const std::string& path : configured_) {
    auto value = path.starts_with("/dev/input/") ? switches_of(path) : read_system_value(path);
    if (value) facts.emplace(path, std::move(*value));
  }
  // An alarm that stands at the start tells of when nobody looked.
  for (const auto& [path, value] : facts) {
    if (!first || !path.ends_with("_alarm") || value == "0") continue;
    tell(seen(policy::DetectionClass::tamper_input, now, {path, "unknown", value}));
  }
  for (const Change& change : baseline_.compare(std::move(facts)))
    tell(seen(policy::DetectionClass::tamper_input, now, change));
}

}  // namespace akm::watch
