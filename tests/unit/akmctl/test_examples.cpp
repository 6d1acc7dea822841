#include "tools/akmctl/examples.h"

#include <criterion/criterion.h>

#include <CLI/CLI.hpp>

#include "tools/akmctl/command_tree.h"
#include "tools/akmctl/commands.h"

using namespace akm::ctl;

namespace {

/// As a shell takes them, with single quotes and no other syntax.
std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '\'') {
      quoted = !quoted;
    } else if (c == ' ' && !quoted) {
      words.emplace_back();
    } else {
      words.back().push_back(c);
    }
  }
  return words;
}

}  // namespace

Test(examples, each_command_has_one_and_it_parses) {
  Session known;
  CLI::App all;
  build(all, known);
  std::size_t lines = 0;
  each_command(all, [&](const std::string& command, CLI::App& app) {
    const auto examples = examples_of(command);
    cr_expect(!examples.empty(), "no example of %s", command.c_str());
    for (const std::string& line : examples) {
      ++lines;
      Session session;
      CLI::App fresh;
      build(fresh, session);
      std::vector<std::string> words = words_of(line);
      words.erase(words.begin());
      std::ranges::reverse(words);  // as CLI11 wants it
      try {
        fresh.parse(words);
      } catch (const CLI::ParseError& error) {
        cr_expect(false, "%s: %s", line.c_str(), error.what());
        continue;
      }
      cr_expect(session.command != nullptr, "%s does nothing", line.c_str());
      cr_expect(app.help().contains("\n  " + line + "\n"), "%s is not in the help", line.c_str());
    }
  });
  cr_expect_gt(lines, 80);
}
