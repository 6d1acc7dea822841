#include "tools/akmctl/session.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "tools/akmctl/exit_code.h"

namespace akm::ctl {
namespace {

const char* program_of(dbus::Service service) {
  switch (service) {
    case dbus::Service::node:
      return "akmd";
    case dbus::Service::nmm:
      return "akm-nmmd";
    case dbus::Service::root:
      return "akm-rootd";
  }
  return "";
}

}  // namespace

Result<dbus::Proxy*> Session::connect() {
  if (!proxy_) {
    const auto timeout =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.timeout_s));
    auto opened = dbus::Proxy::connect(options.bus, timeout);
    if (!opened && opened.error().code == Errc::unreachable) {
      return fail(
          Errc::unreachable,
          fmt::format("there is no bus at '{}'; start it or give another address with --bus", options.bus));
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
                fmt::format("{} is not on the bus '{}'; start {} or give another bus with --bus",
                            dbus::service_name(service), options.bus, program_of(service)));
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
              fmt::format("neither akm-nmmd nor akmd is on the bus '{}'; start one or give another bus "
                          "with --bus",
                          options.bus));
}

int Session::report(const Error& error) {
  fmt::print(stderr, "akmctl: {}.\n", error.message());
  return exit_code(error.code);
}

}  // namespace akm::ctl
