#include "dbus/audit_adaptor.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

#define NEED_ROOT() \
  if (!may_call()) cr_skip("methods need uid 0")

Answer ask(AuditBusBench& service, const char* member,
           const std::function<void(sd_bus_message*)>& arguments = {}) {
  TestClient client(service.daemon.address());
  return client.call(service.servers(), dbus::kNodeName, dbus::kNodePath, dbus::kAuditName, member,
                     arguments);
}

void add_seal(sd_bus_message* m, std::size_t digest_bytes) {
  const std::vector<std::uint8_t> digest(digest_bytes, 3);
  (void)sd_bus_message_open_container(m, 'r', "txuayay");
  (void)sd_bus_message_append(m, "txu", std::uint64_t{4}, std::int64_t{5}, std::uint32_t{6});
  for (int i = 0; i < 2; ++i) (void)sd_bus_message_append_array(m, 'y', digest.data(), digest.size());
  (void)sd_bus_message_close_container(m);
}

}  // namespace

Test(audit_adaptor, pages_are_bounded_and_arguments_come_through) {
  NEED_ROOT();
  AuditBusBench service;
  const auto list = [](sd_bus_message* m) {
    (void)sd_bus_message_append(m, "tut", std::uint64_t{3}, std::uint32_t{100000}, std::uint64_t{7});
  };
  cr_assert(ask(service, "ListRecords", list).error.empty());
  cr_assert_eq(service.port.after, 3);
  cr_assert_eq(service.port.most, kAuditPage);
  cr_assert_eq(service.port.incident, 7);
  const auto incidents = [](sd_bus_message* m) {
    (void)sd_bus_message_append(m, "tu", std::uint64_t{9}, std::uint32_t{2});
  };
  cr_assert(ask(service, "ListIncidents", incidents).error.empty());
  cr_assert(service.port.after == 9 && service.port.most == 2);
  cr_assert(ask(service, "Verify").error.empty());
}

Test(audit_adaptor, seals_that_are_none_never_reach_the_log) {
  NEED_ROOT();
  AuditBusBench service;
  const auto seals = [&](std::size_t count, std::size_t bytes) {
    return ask(service, "CheckSeals", [&](sd_bus_message* m) {
      (void)sd_bus_message_open_container(m, 'a', "(txuayay)");
      for (std::size_t i = 0; i < count; ++i) add_seal(m, bytes);
      (void)sd_bus_message_close_container(m);
    });
  };
  cr_assert(seals(2, 32).error.empty());
  cr_assert_eq(service.port.seals.size(), 2);
  cr_assert(service.port.seals[0].number == 4 && service.port.seals[0].seal[31] == 3);
  service.port.seals.clear();
  cr_assert_eq(seals(1, 31).error, "org.akm.Error.InvalidArgument");
  cr_assert_eq(seals(1, 33).error, "org.akm.Error.TooLarge");
  cr_assert_eq(seals(4097, 32).error, "org.akm.Error.TooLarge");
  cr_assert(service.port.seals.empty());
}

Test(audit_adaptor, what_fails_is_answered_by_its_name) {
  NEED_ROOT();
  AuditBusBench service;
  service.port.failure = Error{Errc::sealed_unavailable, {}};
  cr_assert_eq(ask(service, "Verify").error, "org.akm.Error.SealedUnavailable");
}
