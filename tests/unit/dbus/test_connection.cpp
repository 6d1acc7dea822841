#include "dbus/connection.h"

#include <criterion/criterion.h>

#include "tests/support/dbus_fixture.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

namespace {

Pumped pumped_connection(Connection& connection) {
  return {[&] { return connection.fd(); }, [&] { return connection.events(); },
          [&] {
            while (connection.process_one().value_or(false)) {
            }
          }};
}

}  // namespace

Test(connection, addresses) {
  (void)unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
  cr_assert_eq(*resolve_address("system"), "unix:path=/run/dbus/system_bus_socket");
  (void)setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/x,guid=00ff", 1);
  cr_assert_eq(*resolve_address("session"), "unix:path=/tmp/x");
  cr_assert_eq(*resolve_address("unix:abstract=/tmp/y"), "unix:abstract=/tmp/y");
  const std::string long_one = "unix:path=/" + std::string(600, 'a');
  for (const char* bad :
       {"", "unix:", "unix:path=", "unix:path=x", "unix:path=/a;unix:path=/b", "unix:path=/a,b=c",
        "unix:path=/%41", "unix:dir=/tmp", "unixexec:path=/bin/sh", "tcp:host=localhost,port=1",
        "autolaunch:", "system ", "unix:path=/a\n", long_one.c_str()}) {
    const auto resolved = resolve_address(bad);
    cr_assert(!resolved && resolved.error().code == Errc::invalid_argument, "%s", bad);
  }
}

Test(connection, nothing_listens) {
  const auto connection = Connection::open("unix:path=/nonexistent/bus");
  cr_assert(!connection.has_value());
  cr_assert_eq(connection.error().code, Errc::unreachable);
}

Test(connection, a_call_is_answered) {
  PrivateBus daemon;
  const auto connection = Connection::open(daemon.address());
  std::string id;
  (*connection)
      ->call_method("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", {}, std::chrono::seconds(5),
                    [&](Result<sd_bus_message*> reply) {
                      const char* text = nullptr;
                      cr_assert(reply.has_value());
                      cr_assert_gt(sd_bus_message_read(*reply, "s", &text), 0);
                      id = text;
                    });
  cr_assert(pump({pumped_connection(**connection)}, [&] { return !id.empty(); }));
}

Test(connection, an_error_reply_is_an_error) {
  PrivateBus daemon;
  const auto connection = Connection::open(daemon.address());
  std::optional<Errc> code;
  (*connection)
      ->call_method("org.akm.Nobody", "/", "a.b", "C", {"x"}, std::chrono::seconds(5),
                    [&](Result<sd_bus_message*> reply) { code = reply.error().code; });
  cr_assert(pump({pumped_connection(**connection)}, [&] { return code.has_value(); }));
  cr_assert_eq(*code, Errc::unreachable);
}

Test(connection, no_answer_ends_at_the_deadline_that_timeout_tells) {
  PrivateBus daemon;
  TestClient silent(daemon.address());  // connected, never processed: it does not answer
  cr_assert_geq(sd_bus_request_name(silent.get(), "org.akm.Silent", 0), 0);
  const auto connection = Connection::open(daemon.address());
  std::optional<Errc> code;
  (*connection)
      ->call_method("org.akm.Silent", "/", "a.b", "C", {}, std::chrono::milliseconds(50),
                    [&](Result<sd_bus_message*> reply) { code = reply.error().code; });
  cr_assert((*connection)->timeout().has_value());
  cr_assert(pump({pumped_connection(**connection)}, [&] { return code.has_value(); }));
  cr_assert_eq(*code, Errc::timed_out);
}

Test(connection, the_end_of_the_bus_completes_what_waits) {
  PrivateBus daemon;
  TestClient silent(daemon.address());
  cr_assert_geq(sd_bus_request_name(silent.get(), "org.akm.Silent", 0), 0);
  auto connection = Connection::open(daemon.address());
  int completed = 0;
  for (int i = 0; i < 3; ++i) {
    (*connection)
        ->call_method("org.akm.Silent", "/", "a.b", "C", {}, std::chrono::seconds(60),
                      [&](Result<sd_bus_message*> reply) {
                        cr_assert_eq(reply.error().code, Errc::unreachable);
                        ++completed;
                      });
  }
  bool over = false;
  const Pumped one{[&] { return (*connection)->fd(); }, [&] { return (*connection)->events(); },
                   [&] {
                     const auto more = (*connection)->process_one();
                     over = over || !more;
                   }};
  (void)pump({one}, [&, turns = 0]() mutable { return ++turns > 20; });
  daemon.stop();
  cr_assert(pump({one}, [&] { return over; }));
  connection->reset();
  cr_assert_eq(completed, 3);
}

Test(connection, closing_completes_what_waits_once) {
  PrivateBus daemon;
  auto connection = Connection::open(daemon.address());
  int completed = 0;
  (*connection)
      ->call_method("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", {},
                    std::chrono::seconds(60), [&](Result<sd_bus_message*> reply) {
                      cr_assert_eq(reply.error().code, Errc::unreachable);
                      ++completed;
                    });
  connection->reset();
  cr_assert_eq(completed, 1);
}
