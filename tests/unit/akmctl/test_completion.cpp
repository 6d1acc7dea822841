#include "tools/akmctl/completion.h"

#include <criterion/criterion.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "tests/unit/akmctl/akmctl_fixture.h"
#include "tools/akmctl/command_tree.h"
#include "tools/akmctl/commands.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;
using With = World::With;

namespace {

std::set<std::string> texts(const Completion& completion) {
  std::set<std::string> out;
  for (const Candidate& one : completion.candidates) out.insert(one.text);
  return out;
}

Completion at(const std::vector<std::string>& words) {
  Session session;
  session.options.bus = "unix:path=/nonexistent";
  CLI::App app;
  build(app, session);
  return complete(app, session, words);
}

std::vector<std::string> split(const std::string& words) {
  std::istringstream in(words);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

/// The lines that a shell offers.
std::set<std::string> lines(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> out;
  for (std::string line; std::getline(in, line);) out.insert(line.substr(0, line.find('\t')));
  return out;
}

void put_akmctl_in_path(const World& world) {
  const std::string path = AKMCTL_PATH;
  cr_assert_eq(setenv("PATH", (path.substr(0, path.rfind('/')) + ":/usr/bin:/bin").c_str(), 1), 0);
  cr_assert_eq(setenv("AKM_BUS_ADDRESS", world.daemon.address().c_str(), 1), 0);
}

const std::string kScripts = AKM_SOURCE_FOLDER "/packaging/completions/";

std::set<std::string> bash(World& world, const std::string& words, std::size_t at) {
  const Outcome outcome = world.execute(
      {"/usr/bin/bash", "--norc", "-c",
       "source '" + kScripts + "bash/akmctl'; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(at) +
           "; _akmctl akmctl; [ ${#COMPREPLY[@]} = 0 ] || printf '%s\\n' \"${COMPREPLY[@]}\""});
  cr_assert_eq(outcome.exit_code, 0, "%s", outcome.err.c_str());
  return lines(outcome.out);
}

}  // namespace

Test(completion, every_command_and_every_option_is_offered) {
  Session session;
  CLI::App app;
  build(app, session);
  each_command(app, [&](const std::string& command, CLI::App& leaf) {
    std::vector<std::string> words = split(command);
    cr_expect(texts(at(words)).contains(words.back()), "%s is not offered", command.c_str());
    words.emplace_back("-");
    const std::set<std::string> offered = texts(at(words));
    for (const CLI::Option* const option : leaf.get_options([](const CLI::Option*) { return true; })) {
      for (const std::string& name : option->get_lnames())
        cr_expect(offered.contains("--" + name), "%s --%s is not offered", command.c_str(), name.c_str());
      const bool value = option->get_items_expected_max() != 0;
      cr_expect(!value || filler_of(command, *option), "what goes to %s of %s is not said",
                option->get_name(true).c_str(), command.c_str());
    }
    cr_expect(offered.contains("--host") && offered.contains("--json"), "%s", command.c_str());
  });
  cr_expect_not(texts(at({""})).contains("__complete"));
}

Test(completion, values_come_from_what_the_option_is) {
  cr_assert((texts(at({"asr", "list", "--from", ""})) == std::set<std::string>{"auto", "node", "nmm"}));
  cr_assert((texts(at({"asr", "list", "--from", "n"})) == std::set<std::string>{"node", "nmm"}));
  cr_assert((texts(at({"asr", "list", "--from", "=", "no"})) == std::set<std::string>{"node"}), "as of bash");
  cr_assert((texts(at({"asr", "list", "--from="})) ==
             std::set<std::string>{"--from=auto", "--from=node", "--from=nmm"}));
  cr_assert((texts(at({"policy", "explain", "key-acc"})) == std::set<std::string>{"key-access"}));
  cr_assert((texts(at({"root", "get", "n"})) == std::set<std::string>{"nmm", "node"}));
  cr_assert(at({"policy", "check", ""}).rest == Filler::files);
  cr_assert(at({"policy", "check", "a", ""}).rest == Filler::files, "there may be more");
  cr_assert(at({"policy", "set", "a", ""}).rest == Filler::nothing, "there may not");
  cr_assert(at({"--host", ""}).rest == Filler::hosts);
  cr_assert(at({"root", "diff", ""}).rest == Filler::nothing, "a revision, and no bundle");
  cr_assert(at({"maintenance", "start", "--for", ""}).rest == Filler::nothing);
  cr_assert(texts(at({"maintenance", "start", "--d"})) == std::set<std::string>{"--domain"});
  cr_assert(texts(at({"nmm", "prepare", "--to-"})) == std::set<std::string>{"--to-token"}, "an alias");
}

Test(completion, text_for_the_shell) {
  cr_assert_eq(text_of({Filler::files, {{"a", "one\ttwo\nthree"}, {"b", ""}}}),
               ":files\na\tone two three\nb\t\n");
  cr_assert_eq(text_of({}), ":\n");
}

Test(completion, names_from_the_live_bus) {
  NEED_ROOT();
  World world(With::both);
  world.nmm.members.push_back({0xc3, "with space", "active", 1, "", 0, {}, ""});
  world.nmm.members.push_back({0xd4, "A", "retired", 1, "", 0, {}, ""});
  put_akmctl_in_path(world);
  const auto asked = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {AKMCTL_PATH, "__complete"});
    return lines(world.execute(std::move(words)).out);
  };
  cr_assert((asked({"nmm", "node", ""}) == std::set<std::string>{":", "A", "B", "00000000000000d4"}));
  cr_assert((asked({"asr", "show", ""}) == std::set<std::string>{":", "alpha"}));
  cr_assert((asked({"asr", "add", "alpha", ""}).contains("B")));
  cr_assert((asked({"asr", "create", "beta", "A", ""}).contains("B")), "a list goes on");
  cr_assert((asked({"incident", "show", "--of", "node", ""}).size()) >= 1);
  cr_assert((asked({"--bus", "unix:path=/nonexistent", "nmm", "node", ""}) == std::set<std::string>{":"}));
  cr_assert((asked({"--host", "north", "nmm", "node", ""}) == std::set<std::string>{":"}), "ssh may ask");
}

Test(completion, in_bash) {
  NEED_ROOT();
  World world(With::both);
  put_akmctl_in_path(world);
  cr_assert((bash(world, "akmctl asr sh", 2) == std::set<std::string>{"show"}));
  cr_assert((bash(world, "akmctl asr show ''", 3) == std::set<std::string>{"alpha"}));
  cr_assert((bash(world, "akmctl asr list --from = n", 5) == std::set<std::string>{"nmm", "node"}));
  cr_assert((bash(world, "akmctl asr list --from =", 4) == std::set<std::string>{"auto", "nmm", "node"}));
  cr_assert((bash(world, "akmctl nmm retire --y", 3) == std::set<std::string>{"--yes"}));
  cr_assert((bash(world, "akmctl policy check /etc/passw", 3).contains("/etc/passwd")));
}

Test(completion, in_zsh) {
  if (access("/usr/bin/zsh", X_OK) != 0) cr_skip_test("zsh is not installed");
  NEED_ROOT();
  World world(With::both);
  put_akmctl_in_path(world);
  // Outside of its line editor: what the function would offer is printed instead.
  const auto zsh = [&](const std::string& words, std::size_t current) {
    const Outcome outcome = world.execute(
        {"/usr/bin/zsh", "-fc",
         "_describe() { print -rl -- ${(P)4} }; _files() { print FILES }; _hosts() { print HOSTS }; "
         "_akmctl() { " +
             whole_file(kScripts + "zsh/_akmctl") + " }; words=(" + words +
             ") CURRENT=" + std::to_string(current) + "; _akmctl"});
    cr_assert_eq(outcome.exit_code, 0, "%s", outcome.err.c_str());
    return lines(outcome.out);
  };
  cr_assert((zsh("akmctl asr show ''", 4) == std::set<std::string>{"alpha:established 0000000000000001"}));
  cr_assert(zsh("akmctl asr sh", 3).size() == 1);
  cr_assert((zsh("akmctl policy check ''", 4) == std::set<std::string>{"FILES"}));
  cr_assert((zsh("akmctl --host ''", 3) == std::set<std::string>{"HOSTS"}));
}

Test(completion, in_fish) {
  if (access("/usr/bin/fish", X_OK) != 0) cr_skip_test("fish is not installed");
  NEED_ROOT();
  World world(With::both);
  put_akmctl_in_path(world);
  cr_assert_eq(setenv("HOME", world.daemon.folder().c_str(), 1), 0);
  const auto fish = [&](const std::string& typed) {
    const Outcome outcome =
        world.execute({"/usr/bin/fish", "--no-config", "-c",
                       "source '" + kScripts + "fish/akmctl.fish'; complete -C '" + typed + "'"});
    cr_assert_eq(outcome.exit_code, 0, "%s", outcome.err.c_str());
    return lines(outcome.out);
  };
  cr_assert((fish("akmctl asr show ") == std::set<std::string>{"alpha"}));
  cr_assert((fish("akmctl asr sh") == std::set<std::string>{"show"}));
  cr_assert(fish("akmctl policy check /etc/passw").contains("/etc/passwd"));
}
