#pragma once
// What the commands of 'akmctl root' share.
#include <string_view>
#include <vector>

#include "dbus/root_proxy.h"
#include "tools/akmctl/session.h"

namespace CLI {
class App;
}

namespace akm::ctl {

Result<dbus::RootProxy> reach_root(Session& session);
/// As resolve_node().
Result<std::uint64_t> resolve_nmm(std::string_view text, const std::vector<root::NmmSnapshot>& nmms);
/// Configuration, history and reports.
void add_root_record_commands(CLI::App* root, Session& session);

}  // namespace akm::ctl
