#include "daemon/service/service_manager.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "daemon/base/unique_fd.h"
#include "daemon/service/signals.h"
#include "tests/support/fake_loop.h"
#include "tests/support/temporary_folder.h"

using namespace akm;

namespace {

/// The service manager's end of NOTIFY_SOCKET.
struct Manager {
  test::TemporaryFolder folder;
  UniqueFd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
  Manager() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = folder.file("notify");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    cr_assert_eq(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  [[nodiscard]] std::string told() const {
    std::array<char, 256> buffer{};
    const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    return got < 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(got));
  }
};

}  // namespace

Test(service_manager, is_told_of_ready_and_stopping) {
  const Manager manager;
  test::FakeLoop loop;
  service::ServiceManager notifier(loop);
  cr_assert(loop.deadlines.empty(), "no watchdog, no wake-ups");
  notifier.ready("active");
  cr_assert_eq(manager.told(), "READY=1\nSTATUS=active");
  notifier.status("quarantined");
  cr_assert_eq(manager.told(), "STATUS=quarantined");
  notifier.stopping();
  cr_assert_eq(manager.told(), "STOPPING=1");
}

Test(service_manager, a_start_anew_is_a_reload_to_it) {
  const auto signals = service::block_stop_signals();
  const Manager manager;
  test::FakeLoop loop;
  service::ServiceManager notifier(loop);
  cr_assert(service::stop_on_signal(loop, *signals).has_value());
  cr_assert_eq(std::raise(SIGHUP), 0);
  loop.watches.begin()->second.handler(POLLIN);
  notifier.stopping();
  const std::string told = manager.told();
  cr_assert(told.starts_with("RELOADING=1\nMONOTONIC_USEC="));
  cr_assert_gt(std::stoll(told.substr(told.rfind('=') + 1)), 0);
}

Test(service_manager, the_watchdog_is_fed_at_half_its_time) {
  const Manager manager;
  ::setenv("WATCHDOG_USEC", "10000000", 1);
  test::FakeLoop loop;
  const service::ServiceManager notifier(loop);
  cr_assert_eq(loop.deadlines.size(), 1);
  const auto first = loop.deadlines[0].first();
  cr_assert(first.has_value());
  cr_assert_leq((*first - boottime_now()).count(), 5'000'000'000);
  loop.deadlines[0].second();
  cr_assert_eq(manager.told(), "WATCHDOG=1");
  cr_assert(*loop.deadlines[0].first() >= *first);
}

Test(service_manager, without_one_nothing_happens) {
  ::unsetenv("NOTIFY_SOCKET");
  test::FakeLoop loop;
  service::ServiceManager notifier(loop);
  notifier.ready("active");
  cr_assert(loop.deadlines.empty());
}
