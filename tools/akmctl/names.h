#pragma once
// People give names, the bus wants ids. A name, a full id (16 hex digits) and the start of an id (4 or more)
// all do.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "dbus/proxy.h"

namespace akm::ctl {

/// "node", "nmm" or "root": the service as --json and monitor call it.
const char* short_name(dbus::Service service);
/// "akmd", "akm-nmmd" or "akm-rootd".
const char* program_of(dbus::Service service);

struct Named {
  std::uint64_t id = 0;
  std::string name;
};

/// `kind` is "node" or "relationship". not_found, or invalid_argument naming the candidates when there are
/// several.
Result<std::uint64_t> resolve(std::string_view text, std::string_view kind, const std::vector<Named>& all);
Result<std::uint64_t> resolve_node(std::string_view text, const std::vector<nmm::NodeSnapshot>& nodes);
Result<std::uint64_t> resolve_asr(std::string_view text, const std::vector<AsrSnapshot>& asrs);

}  // namespace akm::ctl
