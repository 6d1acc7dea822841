#pragma once
#include <criterion/criterion.h>

#include <atomic>
#include <thread>

#include "dbus/proxy.h"
#include "tests/unit/dbus/service_fixture.h"

namespace akm::test {

/// The proxy blocks: it runs in a thread of its own while the services are pumped here.
template <typename S>
void with_proxy(S& service, const std::function<void(dbus::Proxy&)>& body) {
  std::atomic<bool> ended = false;
  std::thread client([&] {
    auto proxy = dbus::Proxy::connect(service.daemon.address(), std::chrono::seconds(9));
    if (proxy) body(*proxy);
    ended = true;
  });
  const bool in_time = pump(service.servers(), [&] { return ended.load(); });
  client.join();
  cr_assert(in_time);
}

}  // namespace akm::test
