#pragma once
// A caller with another identity: forks, drops to it, runs and exits with what `body` returns.
#include <grp.h>

#include <vector>

#include "tests/support/dbus_fixture.h"

namespace akm::test {

inline constexpr uid_t kNobody = 65534;

/// Exit code of `body` run as `uid` with `groups` (the first is the primary one), while the servers are
/// pumped. -1: hung.
inline int run_as(uid_t uid, const std::vector<gid_t>& groups, const std::vector<Pumped>& servers,
                  const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    if (setgroups(groups.size(), groups.data()) != 0 || setgid(groups.at(0)) != 0 || setuid(uid) != 0)
      _exit(99);
    _exit(body());
  }
  int status = 0;
  if (!pump(servers, [&] { return waitpid(pid, &status, WNOHANG) == pid; })) {
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, nullptr, 0);
    return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Blocking call without arguments from a process of its own: 0 success, 1 NotAuthorized, 2 Busy, 3 anything
/// else.
inline int blocking_call(const std::string& address, const char* name, const char* path,
                         const char* interface, const char* member) {
  sd_bus* bus = nullptr;
  if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address.c_str()) < 0 ||
      sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0) {
    return 3;
  }
  sd_bus_error error = SD_BUS_ERROR_NULL;
  const int r = sd_bus_call_method(bus, name, path, interface, member, &error, nullptr, "");
  if (r >= 0) return 0;
  const std::string_view which = error.name == nullptr ? "" : error.name;
  if (which == "org.akm.Error.NotAuthorized") return 1;
  return which == "org.akm.Error.Busy" ? 2 : 3;
}

}  // namespace akm::test
