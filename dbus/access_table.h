#pragma once
// Authorisation as a table: what is not in it is refused (rule 12).
#include <cstdint>
#include <span>
#include <string_view>

namespace akm::dbus {

enum class Access : std::uint8_t {
  read,    // tells something that is not for everyone
  change,  // may be undone, or repeats what happens by itself
  admin,   // makes, moves or destroys credentials and membership
  caller,  // the role decides by who calls: no action of polkit, no group
};

struct AccessRule {
  std::string_view interface;
  std::string_view member;
  const char* action;  // polkit action id; empty where the role decides
  Access access;
};

std::span<const AccessRule> access_table();
/// Null when there is no rule.
const AccessRule* find_access_rule(std::string_view interface, std::string_view member);

}  // namespace akm::dbus
