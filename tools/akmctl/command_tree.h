#pragma once
// The commands as CLI11 holds them: what help, completions and tests go through.
#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace akm::ctl {

/// Each command that does something by itself, by its words ("node pcr show"); not one that only leads to
/// others.
void each_command(CLI::App& app,
                  const std::function<void(const std::string& words, CLI::App& command)>& visit);

}  // namespace akm::ctl
