#pragma once
// Who may call what. Fails closed: no rule, no credentials or no answer means refused.
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "dbus/bus.h"

namespace akm::dbus {

class Authorizer {
 public:
  struct Options {
    std::string group = "akm";  // its members may call all methods where there is no polkit
    bool use_polkit = true;
  };
  /// The group is looked up once. `bus` outlives the authorizer.
  Authorizer(Bus& bus, const Options& options);

  /// Decides on the caller of `message` by the table of access_table.h: uid 0 may; else polkit is asked where
  /// it is on the bus; else members of the group may. `done` gets who it is that may, or not_authorized with
  /// the reason, or busy. It may be called before this returns or later, exactly once. `root_only`: whatever
  /// polkit and the group would say, uid 0 alone may, and needs no rule.
  void authorize(sd_bus_message* message, Reply<Caller> done, bool root_only = false);
  /// For a method whose rule leaves it to the role (Access::caller): who calls. not_authorized for other
  /// methods and when the bus does not tell; busy. Called exactly once, perhaps later.
  void identify(sd_bus_message* message, Reply<Caller> done);
  /// False when the group is not known to the system: only uid 0 and polkit are left.
  [[nodiscard]] bool group_known() const { return gid_.has_value(); }

 private:
  struct Credentials {
    Caller caller;
    std::vector<gid_t> gids;
  };
  static Result<Credentials> read_credentials(sd_bus_message* reply);
  void ask_bus(sd_bus_message* message, Reply<Credentials> done);
  void ask_polkit(const std::string& sender, const char* action, bool interactive, std::vector<gid_t> gids,
                  Done done);
  static Status by_group(const std::vector<gid_t>& gids, std::optional<gid_t> gid);

  Bus& bus_;
  Options options_;
  std::optional<gid_t> gid_;
  // Shared with the replies under way: those of a closing connection come when the authorizer may be gone.
  std::shared_ptr<std::size_t> pending_ = std::make_shared<std::size_t>(0);
};

}  // namespace akm::dbus
