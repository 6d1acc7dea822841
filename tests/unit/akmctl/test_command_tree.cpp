#include "tools/akmctl/command_tree.h"

#include <criterion/criterion.h>

#include <CLI/CLI.hpp>

using namespace akm::ctl;

Test(command_tree, what_does_something_by_itself) {
  CLI::App app;
  CLI::App* node = app.add_subcommand("node", "")->require_subcommand(1);
  node->add_subcommand("status", "");
  CLI::App* past = app.add_subcommand("history", "");
  past->add_subcommand("prune", "");
  past->add_option_group("scope", "");
  std::string found;
  each_command(app, [&](const std::string& words, CLI::App& command) {
    found += words + ";";
    cr_assert(words.ends_with(command.get_name()));
  });
  cr_assert_eq(found, "node status;history;history prune;");
}
