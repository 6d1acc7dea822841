#pragma once
// Command line of a daemon (getopt_long): --config FILE, --check-config, --print-config, --version, --help.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/service/config.h"

namespace akm::service {

enum class Action : std::uint8_t { run, check_config, print_config, version, help };

struct Options {
  Action action = Action::run;
  std::string config_path;
};

/// invalid_argument with a sentence for people.
Result<Options> parse_options(int argc, char* const* argv, std::string_view default_config_path);

using Meaning = Status (*)(const Config& config);

/// Reads the options and answers what needs no daemon on standard output. A value is the exit status; none
/// means that the daemon is to run, and `config` holds what was read. `meaning` is what a daemon makes of the
/// values that the schema allows, other files included; --check-config asks it, a start does so by itself.
std::optional<int> answer_command_line(int argc, char* const* argv, std::string_view program,
                                       std::string_view default_config_path, const Schema& schema,
                                       Config& config, Meaning meaning);

}  // namespace akm::service
