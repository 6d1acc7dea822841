#include "tools/akm-sim/options.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <string_view>

namespace akm::sim {
namespace {

constexpr std::string_view kHelp =
    "akm-sim [--seeds FROM..TO] [--jobs N] [--members N] [--keep-going] [--no-shrink]\n"
    "akm-sim --seed N [--members N] [--chart] [--lines N] [--no-shrink]\n"
    "Runs one simulated history of a fleet for each seed (docs/testing.md). A seed that violates an "
    "invariant is\n"
    "printed with the command that runs it again, made short, and drawn.\n";

template <typename Number>
bool number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool range(std::string_view text, Options& options) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return false;
  return number(text.substr(0, dots), options.first) && number(text.substr(dots + 2), options.end) &&
         options.first < options.end;
}

/// True when the option takes a value, and the value is one.
bool with_value(std::string_view name, std::string_view value, Options& options) {
  if (name == "--seeds") return range(value, options);
  if (name == "--jobs") return number(value, options.jobs) && options.jobs >= 1 && options.jobs <= 64;
  if (name == "--lines") return number(value, options.lines);
  if (name == "--members")
    return number(value, options.members) && options.members >= 2 && options.members <= 4096;
  if (name != "--seed" || !number(value, options.first)) return false;
  options.end = options.first + 1;
  return true;
}

}  // namespace

std::optional<Options> parse_options(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (name == "--chart") {
      options.chart = true;
    } else if (name == "--no-shrink") {
      options.shrink = false;
    } else if (name == "--keep-going") {
      options.keep_going = true;
    } else if (i + 1 < arguments.size() && with_value(name, arguments[i + 1], options)) {
      ++i;
    } else {
      fmt::print(stderr, "{}", kHelp);
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace akm::sim
