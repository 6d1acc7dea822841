#include "tools/akmctl/completion.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <utility>

#include "tools/akmctl/live_names.h"
#include "tools/akmctl/session.h"

namespace akm::ctl {
namespace {

using Entry = std::pair<std::string_view, Filler>;
// By name; where one name is two things, with the command before it.
constexpr auto kFillers = std::to_array<Entry>({
    {"maintenance start --for", Filler::nothing},
    {"root diff FROM", Filler::nothing},
    {"--adopt", Filler::nothing},
    {"--after", Filler::nothing},
    {"--asr", Filler::asrs},
    {"--before", Filler::nothing},
    {"--bus", Filler::nothing},
    {"--bus-address", Filler::nothing},
    {"--code-file", Filler::files},
    {"--context", Filler::nothing},
    {"--count", Filler::nothing},
    {"--digest", Filler::nothing},
    {"--endpoint", Filler::nothing},
    {"--expected-revision", Filler::nothing},
    {"--field", Filler::nothing},
    {"--file", Filler::files},
    {"--fingerprint", Filler::nothing},
    {"--for", Filler::files},
    {"--golden", Filler::nothing},
    {"--hardware-value", Filler::nothing},
    {"--host", Filler::hosts},
    {"--keep", Filler::nothing},
    {"--keyring", Filler::nothing},
    {"--members", Filler::nothing},
    {"--nmm", Filler::nmms},
    {"--node", Filler::nodes},
    {"--out", Filler::files},
    {"--pin-file", Filler::files},
    {"--policy", Filler::nothing},
    {"--recovery-file", Filler::files},
    {"--set", Filler::nothing},
    {"--signature", Filler::files},
    {"--textfile", Filler::files},
    {"--timeout", Filler::nothing},
    {"--to", Filler::files},
    {"--to-token", Filler::nothing},
    {"--why", Filler::nothing},
    {"ASR", Filler::asrs},
    {"CLASS", Filler::classes},
    {"FILE", Filler::files},
    {"FROM", Filler::files},
    {"ID", Filler::nothing},
    {"INCIDENT", Filler::files},
    {"KEY=VALUE", Filler::nothing},
    {"KIND", Filler::kinds},
    {"LABEL", Filler::nothing},
    {"NAME", Filler::nothing},
    {"NMM", Filler::nmms},
    {"NODE", Filler::nodes},
    {"REVISION", Filler::nothing},
    {"SERIAL", Filler::nothing},
    {"TO", Filler::nothing},
    {"incident", Filler::incidents},
    {"path", Filler::files},
});

/// "{a,b}" of an option that is one of these.
std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t begin = type.find('{');
  const std::size_t end = type.rfind('}');
  std::vector<std::string> out;
  if (begin == std::string::npos || end == std::string::npos) return out;
  for (std::size_t at = begin + 1; at < end;) {
    const std::size_t comma = std::min(type.find(',', at), end);
    out.push_back(type.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

bool is_flag(const CLI::Option& option) {
  return option.get_items_expected_max() == 0;
}

/// Options of a command and of those above it, which may stand behind it too.
std::vector<CLI::Option*> options_of(CLI::App* app) {
  std::vector<CLI::Option*> out;
  for (; app != nullptr; app = app->get_parent()) {
    const auto take = [&](CLI::App& from) {
      for (CLI::Option* const one : from.get_options([](const CLI::Option*) { return true; }))
        out.push_back(one);
    };
    take(*app);
    for (CLI::App* const group : app->get_subcommands([](const CLI::App*) { return true; })) {
      if (group->get_name().empty()) take(*group);
    }
  }
  return out;
}

CLI::Option* option_named(CLI::App* app, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  for (CLI::Option* const one : options_of(app)) {
    const auto has = [&](const std::vector<std::string>& names, const std::string& dashes) {
      return std::ranges::any_of(names, [&](const std::string& known) { return dashes + known == name; });
    };
    if (has(one->get_lnames(), "--") || has(one->get_snames(), "-")) return one;
  }
  return nullptr;
}

CLI::App* subcommand(CLI::App& app, const std::string& word) {
  for (CLI::App* const below : app.get_subcommands([](const CLI::App*) { return true; })) {
    const bool alias = std::ranges::find(below->get_aliases(), word) != below->get_aliases().end();
    if (!below->get_name().empty() && (below->get_name() == word || alias)) return below;
  }
  return nullptr;
}

std::string words_of(const CLI::App* app) {
  std::string out;
  for (; app != nullptr && app->get_parent() != nullptr; app = app->get_parent())
    out = app->get_name() + (out.empty() ? "" : " ") + out;
  return out;
}

/// Where the cursor is: in which command, and what is awaited there.
class Walk {
 public:
  Walk(CLI::App& app, Session& session) : app_(&app), session_(session) {}

  void pass(const std::string& word) {
    if (awaits_ != nullptr) {
      // bash makes three words of --option=value.
      if (word != "=") note(*std::exchange(awaits_, nullptr), word);
    } else if (word.starts_with("-") && word.size() > 1) {
      CLI::Option* const option = option_named(app_, word);
      if (option == nullptr || is_flag(*option)) return;
      if (const std::size_t equals = word.find('='); equals != std::string::npos) {
        note(*option, word.substr(equals + 1));
      } else {
        awaits_ = option;
      }
    } else if (CLI::App* const below = subcommand(*app_, word)) {
      app_ = below;
      arguments_ = 0;
    } else {
      ++arguments_;
    }
  }
  [[nodiscard]] CLI::App& app() const { return *app_; }
  [[nodiscard]] CLI::Option* awaits() const { return awaits_; }
  /// The argument that comes next; a list is the last one for good.
  [[nodiscard]] CLI::Option* argument() const {
    std::size_t left = arguments_;
    CLI::Option* last = nullptr;
    for (CLI::Option* const one : app_->get_options([](const CLI::Option*) { return true; })) {
      if (!one->get_positional()) continue;
      last = one;
      if (left-- == 0 || one->get_items_expected_max() > 1) return one;
    }
    return last != nullptr && last->get_items_expected_max() > 1 ? last : nullptr;
  }

 private:
  /// Options that say which bus is to be asked for names.
  void note(const CLI::Option& option, const std::string& value) {
    if (option.check_lname("bus")) session_.options.bus = value;
    if (option.check_lname("host")) session_.options.host = value;
  }

  CLI::App* app_;
  Session& session_;
  CLI::Option* awaits_ = nullptr;
  std::size_t arguments_ = 0;
};

void add_values(Completion& out, const CLI::Option& option, const Walk& walk, Session& session) {
  const Filler filler = filler_of(words_of(&walk.app()), option).value_or(Filler::nothing);
  if (filler == Filler::files || filler == Filler::hosts) out.rest = filler;
  if (filler == Filler::choices) {
    for (const std::string& choice : choices_of(option)) out.candidates.push_back({choice, ""});
  } else {
    std::ranges::copy(names_for(filler, session), std::back_inserter(out.candidates));
  }
}

void add_options(Completion& out, CLI::App& app) {
  for (const CLI::Option* const one : options_of(&app)) {
    for (const std::string& name : one->get_lnames())
      out.candidates.push_back({"--" + name, one->get_description()});
  }
}

void add_commands(Completion& out, CLI::App& app) {
  for (const CLI::App* const below : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!below->get_name().empty()) out.candidates.push_back({below->get_name(), below->get_description()});
  }
}

void keep_those_that_begin(Completion& out, std::string_view typed) {
  std::erase_if(out.candidates, [&](const Candidate& one) {
    // A shell takes a candidate as one word, and the tab ends it.
    const bool one_word = one.text.find_first_of(" \t\n'\"\\$`") == std::string::npos;
    return !one.text.starts_with(typed) || !one_word;
  });
}

}  // namespace

std::optional<Filler> filler_of(std::string_view command, const CLI::Option& option) {
  if (!choices_of(option).empty()) return Filler::choices;
  std::vector<std::string> names;
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  if (option.get_positional()) names.push_back(option.get_name(true));
  for (const bool of_command : {true, false}) {
    for (const std::string& name : names) {
      const std::string wanted = (of_command ? std::string(command) + " " : "") + name;
      const auto at = std::ranges::find(kFillers, std::string_view(wanted), &Entry::first);
      if (at != kFillers.end()) return at->second;
    }
  }
  return std::nullopt;
}

Completion complete(CLI::App& app, Session& session, const std::vector<std::string>& words) {
  Walk walk(app, session);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) walk.pass(words[i]);
  std::string typed = words.empty() ? std::string() : words.back();
  Completion out;
  if (walk.awaits() != nullptr) {
    add_values(out, *walk.awaits(), walk, session);
    if (typed == "=") typed.clear();
    keep_those_that_begin(out, typed);
    return out;
  }
  const std::size_t equals = typed.find('=');
  if (typed.starts_with("-") && equals != std::string::npos) {
    const CLI::Option* const option = option_named(&walk.app(), typed);
    if (option != nullptr && !is_flag(*option)) add_values(out, *option, walk, session);
    for (Candidate& one : out.candidates) one.text.insert(0, typed.substr(0, equals + 1));
  } else if (typed.starts_with("-")) {
    add_options(out, walk.app());
  } else {
    add_commands(out, walk.app());
    if (const CLI::Option* const argument = walk.argument()) add_values(out, *argument, walk, session);
  }
  keep_those_that_begin(out, typed);
  return out;
}

std::string text_of(const Completion& completion) {
  std::string out = completion.rest == Filler::files   ? ":files\n"
                    : completion.rest == Filler::hosts ? ":hosts\n"
                                                       : ":\n";
  for (const Candidate& one : completion.candidates) {
    std::string description = one.description;
    std::ranges::replace_if(description, [](char c) { return c == '\t' || c == '\n'; }, ' ');
    out += one.text + "\t" + description + "\n";
  }
  return out;
}

}  // namespace akm::ctl
