#include "daemon/service/options.h"

#include <fmt/format.h>
#include <getopt.h>

#include <array>
#include <cstdio>

namespace akm::service {
namespace {

constexpr std::string_view kHelp =
    "Usage: {0} [--config FILE]\n"
    "  --config FILE    configuration; drop-ins are FILE.d/*.toml (default {1})\n"
    "  --check-config   read the configuration, say what is wrong with it, and end\n"
    "  --print-config   print a documented configuration with all defaults, and end\n"
    "  --version        print the version, and end\n"
    "  --help           print this, and end\n"
    "The daemon stays in the foreground and is controlled over D-Bus: see akmctl(1).\n";

constexpr int kExitUsage = 2;

}  // namespace

Result<Options> parse_options(int argc, char* const* argv, std::string_view default_config_path) {
  constexpr std::array<option, 6> kLong{{{"config", required_argument, nullptr, 'c'},
                                         {"check-config", no_argument, nullptr, 'k'},
                                         {"print-config", no_argument, nullptr, 'p'},
                                         {"version", no_argument, nullptr, 'V'},
                                         {"help", no_argument, nullptr, 'h'},
                                         {nullptr, 0, nullptr, 0}}};
  Options out;
  out.config_path = default_config_path;
  // 0, not 1: also resets what glibc keeps between scans, so that a test can parse more than once.
  optind = 0;
  opterr = 0;
  for (;;) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the start of main, before there is a second thread
    const int found = ::getopt_long(argc, argv, ":c:h", kLong.data(), nullptr);
    if (found == -1) break;
    switch (found) {
      case 'c':
        out.config_path = optarg;
        break;
      case 'k':
        out.action = Action::check_config;
        break;
      case 'p':
        out.action = Action::print_config;
        break;
      case 'V':
        out.action = Action::version;
        break;
      case 'h':
        out.action = Action::help;
        break;
      case ':':
        return fail(Errc::invalid_argument, "an option lacks its argument: " + std::string(argv[optind - 1]));
      default:
        return fail(Errc::invalid_argument, "no such option: " + std::string(argv[optind - 1]));
    }
  }
  if (optind < argc) return fail(Errc::invalid_argument, "unexpected argument: " + std::string(argv[optind]));
  if (out.config_path.empty()) return fail(Errc::invalid_argument, "--config needs a file name");
  return out;
}

std::optional<int> answer_command_line(int argc, char* const* argv, std::string_view program,
                                       std::string_view default_config_path, const Schema& schema,
                                       Config& config, Meaning meaning) {
  const auto options = parse_options(argc, argv, default_config_path);
  if (!options) {
    fmt::print(stderr, "{}: {}\n{}", program, options.error().message(),
               fmt::format(fmt::runtime(kHelp), program, default_config_path));
    return kExitUsage;
  }
  switch (options->action) {
    case Action::help:
      fmt::print(fmt::runtime(kHelp), program, default_config_path);
      return 0;
    case Action::version:
      fmt::print("{} {}\n", program, AKM_VERSION);
      return 0;
    case Action::print_config:
      fmt::print("{}", example_config(fmt::format("Configuration of {}.", program), schema));
      return 0;
    case Action::check_config:
    case Action::run:
      break;
  }
  auto loaded = Config::load(options->config_path, schema);
  if (!loaded) {
    fmt::print(stderr, "{}: {}\n", program, loaded.error().message());
    return kExitUsage;
  }
  config = std::move(*loaded);
  if (options->action == Action::run) return std::nullopt;
  if (const Status good = meaning(config); !good) {
    fmt::print(stderr, "{}: {}\n", program, good.error().message());
    return kExitUsage;
  }
  fmt::print("{}: the configuration is valid\n", options->config_path);
  return 0;
}

}  // namespace akm::service
