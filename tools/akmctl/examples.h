#pragma once
// Examples of --help: one table, and a test parses every line of it.
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace akm::ctl {

/// Whole lines ("akmctl node provision ..."); `command` is "node provision".
std::vector<std::string> examples_of(std::string_view command);
/// Gives each command its examples at the foot of its help.
void add_examples(CLI::App& app);

}  // namespace akm::ctl
