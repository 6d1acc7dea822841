#include "dbus/sealing_adaptor.h"

#include <criterion/criterion.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

#define NEED_ROOT() \
  if (!may_call()) cr_skip("methods need uid 0")

Answer ask(SealingBench& service, const char* member,
           const std::function<void(sd_bus_message*)>& arguments = {}) {
  TestClient client(service.daemon.address());
  return client.call(service.servers(), dbus::kNodeName, dbus::kNodePath, dbus::kSealingName, member,
                     arguments);
}

}  // namespace

Test(sealing_adaptor, secrets_come_by_descriptor) {
  NEED_ROOT();
  SealingBench service;
  const std::string_view secret = "correct horse battery";
  const UniqueFd fd = std::move(*dbus::make_sealed_memfd(
      "test", {reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()}));
  const auto with_secret = [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "h", fd.get()); };
  cr_assert(ask(service, "Reseal", with_secret).error.empty());
  cr_assert_eq(service.port.secret.size(), secret.size());
  cr_assert_eq(ask(service, "Recover", with_secret).error, "org.akm.Error.NotAuthentic");
  const UniqueFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  service.port.secret.clear();
  cr_assert_eq(
      ask(service, "Reseal", [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "h", file.get()); })
          .error,
      "org.akm.Error.InvalidArgument");
  cr_assert(service.port.secret.empty());
}

Test(sealing_adaptor, pcrs_that_are_none_never_reach_the_role) {
  NEED_ROOT();
  SealingBench service;
  const auto predict = [&](const char* pcr, const std::string& value) {
    return ask(service, "PredictPcrs",
               [&](sd_bus_message* m) { (void)sd_bus_message_append(m, "a{ss}", 1, pcr, value.c_str()); });
  };
  cr_assert(predict("7", std::string(64, 'a')).error.empty());
  cr_assert_eq(service.port.asked.at(7).size(), 32);
  service.port.asked.clear();
  for (const auto& [pcr, value] :
       std::vector<std::pair<const char*, std::string>>{{"24", "aa"},
                                                        {"-1", "aa"},
                                                        {"", "aa"},
                                                        {"7x", "aa"},
                                                        {"7", "xx"},
                                                        {"7", "a"},
                                                        {"7", std::string(66, 'a')}}) {
    cr_assert_not(predict(pcr, value).error.empty(), "%s %s", pcr, value.c_str());
  }
  cr_assert(service.port.asked.empty());
}
