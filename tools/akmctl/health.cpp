#include "tools/akmctl/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/akmctl/exit_code.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

constexpr std::size_t kMark = 9;  // columns of "PROBLEM" and what stands behind it

std::string_view mark_of(Health health) {
  switch (health) {
    case Health::good:
      return "ok";
    case Health::notice:
      return "note";
    case Health::warning:
      return "WARNING";
    case Health::problem:
      return "PROBLEM";
  }
  return {};
}

std::string counted(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// Under one margin, on as many lines as it takes.
std::string hanging(const std::string& text) {
  const std::size_t room = screen().columns > 2 * kMark ? screen().columns - kMark : 0;
  std::string out;
  for (const std::string& line : wrap(text, room))
    out += (out.empty() ? "" : std::string(kMark, ' ')) + line + "\n";
  return out;
}

}  // namespace

std::string_view health_name(Health health) {
  switch (health) {
    case Health::good:
      return "good";
    case Health::notice:
      return "notice";
    case Health::warning:
      return "warning";
    case Health::problem:
      return "problem";
  }
  return {};
}

Check unseen(std::string area, std::string name, const Error& why) {
  return {std::move(area), std::move(name), Health::notice, "could not be looked at: " + why.message(),
          why.code == Errc::not_authorized ? "ask as root" : ""};
}

Health worst(const Checks& checks) {
  Health out = Health::good;
  for (const Check& one : checks) out = std::max(out, one.health);
  return out;
}

int exit_code_of(Health health) {
  switch (health) {
    case Health::good:
    case Health::notice:
      return kExitOk;
    case Health::warning:
      return kExitWarning;
    case Health::problem:
      return kExitProblem;
  }
  return kExitProblem;
}

std::string verdict_text(const Checks& checks) {
  const auto of = [&](Health health) {
    return static_cast<std::size_t>(std::ranges::count(checks, health, &Check::health));
  };
  const std::size_t problems = of(Health::problem);
  const std::size_t warnings = of(Health::warning);
  if (problems == 0 && warnings == 0) return "All is well";
  std::string out;
  if (problems != 0) out = counted(problems, "problem");
  if (warnings != 0) out += (out.empty() ? "" : ", ") + counted(warnings, "warning");
  return out;
}

Tone verdict_tone(const Checks& checks) {
  const Health health = worst(checks);
  return tone_of(health == Health::notice ? Health::good : health);
}

std::string verdict(const Checks& checks) {
  return paint(verdict_tone(checks), verdict_text(checks));
}

Tone tone_of(Health health) {
  switch (health) {
    case Health::good:
      return Tone::good;
    case Health::notice:
      return Tone::strong;
    case Health::warning:
      return Tone::doubtful;
    case Health::problem:
      return Tone::bad;
  }
  return Tone::plain;
}

std::string check_text(const Check& check) {
  const std::string_view mark = mark_of(check.health);
  std::string out = paint(tone_of(check.health), mark) + std::string(kMark - mark.size(), ' ') +
                    hanging((check.name.empty() ? "" : check.name + ": ") + check.says);
  if (check.health != Health::good && !check.remedy.empty())
    out += std::string(kMark, ' ') + hanging("Do: " + check.remedy);
  return out;
}

std::string checks_json(const Checks& checks) {
  using Json = nlohmann::ordered_json;
  Json out = Json::array();
  for (const Check& one : checks) {
    out.push_back({{"area", one.area},
                   {"name", one.name},
                   {"health", health_name(one.health)},
                   {"says", one.says},
                   {"remedy", one.remedy}});
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace akm::ctl
