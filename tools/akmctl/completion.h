#pragma once
// What can stand next on the command line, for the shells (packaging/completions): from the commands as CLI11
// holds them, and names from the live bus. A shell runs "akmctl __complete WORDS".
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace akm::ctl {

class Session;

/// What the value of an option or an argument is.
enum class Filler : std::uint8_t {
  nothing,  // free text: nothing to offer
  files,
  hosts,
  choices,  // of the option itself
  nodes,
  asrs,
  nmms,
  incidents,
  classes,
  kinds
};
/// No value: nobody has said so far what goes there.
std::optional<Filler> filler_of(std::string_view command, const CLI::Option& option);

struct Candidate {
  std::string text;
  std::string description;
};
struct Completion {
  Filler rest = Filler::nothing;  // files or hosts: what the shell adds itself
  std::vector<Candidate> candidates;
};

/// `words`: what stands behind "akmctl", the last of them being typed. Errors of the bus are no candidates.
Completion complete(CLI::App& app, Session& session, const std::vector<std::string>& words);
/// One line for the shell's part, then one for each candidate: text, tab, description.
std::string text_of(const Completion& completion);

}  // namespace akm::ctl
