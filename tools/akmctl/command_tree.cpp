#include "tools/akmctl/command_tree.h"

#include <CLI/CLI.hpp>

namespace akm::ctl {
namespace {

void walk(CLI::App& app, const std::string& words,
          const std::function<void(const std::string&, CLI::App&)>& visit) {
  if (!words.empty() && app.get_require_subcommand_min() == 0) visit(words, app);
  for (CLI::App* const below : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (below->get_name().empty()) continue;  // a group of options
    walk(*below, words + (words.empty() ? "" : " ") + below->get_name(), visit);
  }
}

}  // namespace

void each_command(CLI::App& app, const std::function<void(const std::string&, CLI::App&)>& visit) {
  walk(app, {}, visit);
}

}  // namespace akm::ctl
