#pragma once
// What status and doctor find: one thing that was looked at, how it is, and what to do about it.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.h"
#include "tools/akmctl/screen.h"

namespace akm::ctl {

enum class Health : std::uint8_t { good, notice, warning, problem };
/// "good", "notice", "warning", "problem".
std::string_view health_name(Health health);

struct Check {
  std::string area;  // "node", "kernel", "tpm", ...
  std::string name;  // of what was looked at
  Health health = Health::good;
  std::string says;    // what was found
  std::string remedy;  // what to do; empty where there is nothing to do
};
using Checks = std::vector<Check>;

/// What could not be looked at, and why: neither good nor bad.
Check unseen(std::string area, std::string name, const Error& why);
/// The worst of them; good of none.
Health worst(const Checks& checks);
/// 0 for good and notice, kExitWarning, kExitProblem.
int exit_code_of(Health health);
/// "2 problems, 1 warning", "All is well".
std::string verdict_text(const Checks& checks);
Tone verdict_tone(const Checks& checks);
/// Both.
std::string verdict(const Checks& checks);
Tone tone_of(Health health);
/// One check on its lines, the remedy under it; "good" without one on a line of its own.
std::string check_text(const Check& check);
/// The list for --json: [{"area", "name", "health", "says", "remedy"}].
std::string checks_json(const Checks& checks);

}  // namespace akm::ctl
