#pragma once
// What to do about a finding of a daemon: a table by a part of its sentence. A test finds each part in the
// code that says it.
#include <string>
#include <string_view>
#include <vector>

#include "dbus/proxy.h"
#include "tools/akmctl/health.h"

namespace akm::ctl {

/// A sentence that nobody has foreseen is a warning; its remedy says where to look.
Check check_of_finding(dbus::Service service, const std::string& finding);
/// The parts of the table.
std::vector<std::string_view> foreseen();

}  // namespace akm::ctl
