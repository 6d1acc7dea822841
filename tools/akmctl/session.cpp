#include "tools/akmctl/session.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "tools/akmctl/exit_code.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {

std::string Session::place() const {
  return options.host.empty() ? fmt::format("on the bus '{}'", options.bus) : "on " + options.host;
}

Result<dbus::Proxy*> Session::connect() {
  if (!proxy_) {
    const auto timeout =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.timeout_s));
    auto opened = options.host.empty() ? dbus::Proxy::connect(options.bus, timeout)
                                       : dbus::Proxy::connect_host(options.host, timeout);
    if (!opened && opened.error().code == Errc::unreachable) {
      return fail(Errc::unreachable,
                  options.host.empty()
                      ? fmt::format("there is no bus at '{}'; start it or give another address with --bus",
                                    options.bus)
                      : options.host + " cannot be reached over ssh");
    }
    if (!opened) return std::unexpected(std::move(opened).error());
    proxy_.emplace(std::move(*opened));
  }
  return &*proxy_;
}

Result<dbus::Proxy*> Session::reach(dbus::Service service) {
  AKM_ASSIGN(dbus::Proxy* const proxy, connect());
  AKM_ASSIGN(const bool there, proxy->is_there(service));
  if (!there) {
    return fail(Errc::unreachable,
                fmt::format("{} is not {}; start {}, or give another bus with --bus or another machine with "
                            "--host",
                            dbus::service_name(service), place(), program_of(service)));
  }
  return proxy;
}

Result<dbus::Service> Session::either() {
  AKM_ASSIGN(dbus::Proxy* const proxy, connect());
  for (const dbus::Service service : {dbus::Service::nmm, dbus::Service::node}) {
    AKM_ASSIGN(const bool there, proxy->is_there(service));
    if (there) return service;
  }
  return fail(Errc::unreachable,
              fmt::format("neither akm-nmmd nor akmd is {}; start one, or give another bus with --bus or "
                          "another machine with --host",
                          place()));
}

int Session::report(const Error& error) {
  fmt::print(stderr, "akmctl: {}.\n", error.message());
  return exit_code(error.code);
}

}  // namespace akm::ctl
