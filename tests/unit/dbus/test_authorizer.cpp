#include "dbus/authorizer.h"

#include <criterion/criterion.h>

#include "dbus/access_table.h"
#include "dbus/limits.h"
#include "tests/unit/dbus/run_as.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

#define NEED_ROOT() \
  if (geteuid() != 0) cr_skip_test("needs uid 0: changes the identity of callers")

namespace {

constexpr const char* kName = "org.akm.Node1";
constexpr const char* kPath = "/org/akm/Node1";
constexpr gid_t kOtherGroup = 54321;  // nobody's

int call_as_nobody(NodeService& service, const std::vector<gid_t>& groups, const char* member,
                   std::vector<Pumped> servers = {}) {
  if (servers.empty()) servers = service.servers();
  const std::string address = service.daemon.address();
  return run_as(kNobody, groups, servers,
                [&] { return blocking_call(address, kName, kPath, kName, member); });
}

std::string group_name(gid_t gid) {
  const group* entry = getgrgid(gid);
  return entry == nullptr ? "" : entry->gr_name;
}

/// A stand-in for polkitd on the private bus: it answers CheckAuthorization as the test says.
class FakePolkit {
 public:
  explicit FakePolkit(const std::string& address) : client_(address) {
    static const sd_bus_vtable kTable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", "(bba{ss})", on_check,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
    };
    if (sd_bus_add_object_vtable(client_.get(), nullptr, "/org/freedesktop/PolicyKit1/Authority",
                                 "org.freedesktop.PolicyKit1.Authority", kTable, this) < 0 ||
        sd_bus_request_name(client_.get(), "org.freedesktop.PolicyKit1", 0) < 0) {
      give_up("fake polkit");
    }
  }
  [[nodiscard]] Pumped pumped() const { return client_.pumped(); }
  enum class Answer { yes, no, challenge, error, silence, death } answer = Answer::yes;
  std::vector<std::string> actions;

 private:
  static int on_check(sd_bus_message* m, void* userdata, sd_bus_error* error) {
    auto* self = static_cast<FakePolkit*>(userdata);
    const char* kind = nullptr;
    const char* key = nullptr;
    const char* name = nullptr;
    const char* action = nullptr;
    if (sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &name, &action) < 0) return -EINVAL;
    self->actions.emplace_back(std::string(kind) + " " + (name[0] == ':' ? "unique" : name) + " " + action);
    switch (self->answer) {
      case Answer::yes:
        return sd_bus_reply_method_return(m, "(bba{ss})", 1, 0, 0);
      case Answer::no:
        return sd_bus_reply_method_return(m, "(bba{ss})", 0, 0, 0);
      case Answer::challenge:
        return sd_bus_reply_method_return(m, "(bba{ss})", 0, 1, 0);
      case Answer::error:
        return sd_bus_error_set(error, "org.freedesktop.PolicyKit1.Error.Failed", "no such action");
      case Answer::silence:
        return 1;
      case Answer::death:
        // To the bus it is gone, as after kill -9. Not close: the caller is a fork and has the socket too.
        (void)shutdown(sd_bus_get_fd(sd_bus_message_get_bus(m)), SHUT_RDWR);
        return 1;
    }
    return -EINVAL;
  }
  TestClient client_;
};

}  // namespace

Test(authorizer, a_caller_that_is_not_root_is_refused_every_method_and_the_role_hears_nothing) {
  NEED_ROOT();
  NodeService service;
  for (const char* member : {"GetHardwareIdentity", "Activate", "Zeroize"}) {
    cr_assert_eq(call_as_nobody(service, {kOtherGroup}, member), 1, "%s", member);
  }
  cr_assert(service.port.calls.empty());
}

Test(authorizer, properties_and_objects_are_open_to_everyone) {
  NEED_ROOT();
  NodeService service;
  const std::string address = service.daemon.address();
  const int status = run_as(kNobody, {kOtherGroup}, service.servers(), [&] {
    return blocking_call(address, kName, kPath, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
  });
  cr_assert_eq(status, 0);
}

Test(authorizer, root_may) {
  NEED_ROOT();
  NodeService service;
  TestClient client(service.daemon.address());
  cr_assert(client.call_akm(service.servers(), "Node1", "Activate").error.empty());
}

Test(authorizer, members_of_the_group_may_as_primary_and_as_further_group) {
  NEED_ROOT();
  const gid_t gid = 65534;
  const std::string name = group_name(gid);
  if (name.empty()) cr_skip_test("no group 65534 here");
  NodeService service({name, false});
  cr_assert(service.authorizer.group_known());
  cr_assert_eq(call_as_nobody(service, {gid}, "Activate"), 0);
  cr_assert_eq(call_as_nobody(service, {kOtherGroup, gid}, "Activate"), 0);
  cr_assert_eq(call_as_nobody(service, {kOtherGroup}, "Activate"), 1);
}

Test(authorizer, an_unknown_group_lets_nobody_in) {
  NEED_ROOT();
  NodeService service({"no-such-group-here", false});
  cr_assert_not(service.authorizer.group_known());
  cr_assert_eq(call_as_nobody(service, {0}, "Activate"), 1);
}

Test(authorizer, polkit_decides_where_it_is_there) {
  NEED_ROOT();
  // The group would let the caller in: where polkit is there, it has the word.
  NodeService service({group_name(65534), true});
  FakePolkit polkit(service.daemon.address());
  std::vector<Pumped> servers = service.servers();
  servers.push_back(polkit.pumped());
  using enum FakePolkit::Answer;
  const std::vector<std::pair<FakePolkit::Answer, int>> cases{{yes, 0}, {no, 1}, {challenge, 1}, {error, 1}};
  for (const auto& [answer, wanted] : cases) {
    polkit.answer = answer;
    cr_assert_eq(call_as_nobody(service, {65534}, "Zeroize", servers), wanted, "case %d",
                 static_cast<int>(answer));
  }
  cr_assert_eq(polkit.actions.at(0), "system-bus-name unique org.akm.node.admin");
  cr_assert_eq(service.port.calls.size(), 1);
}

Test(authorizer, without_polkit_on_the_bus_the_group_counts) {
  NEED_ROOT();
  NodeService service({group_name(65534), true});
  cr_assert_eq(call_as_nobody(service, {65534}, "Activate"), 0);
  cr_assert_eq(call_as_nobody(service, {kOtherGroup}, "Activate"), 1);
}

Test(authorizer, a_polkit_that_dies_over_the_question_is_not_absent) {
  NEED_ROOT();
  NodeService service({group_name(65534), true});
  FakePolkit polkit(service.daemon.address());
  polkit.answer = FakePolkit::Answer::death;
  std::vector<Pumped> servers = service.servers();
  servers.push_back(polkit.pumped());
  cr_assert_eq(call_as_nobody(service, {65534}, "Activate", servers), 1);
  cr_assert_eq(polkit.actions.size(), 1);
  cr_assert(service.port.calls.empty());
  // From now on there is none, and the group counts.
  cr_assert_eq(call_as_nobody(service, {65534}, "Activate"), 0);
}

Test(authorizer, waiting_callers_are_bounded) {
  NEED_ROOT();
  NodeService service({"", true});
  FakePolkit polkit(service.daemon.address());
  polkit.answer = FakePolkit::Answer::silence;
  std::vector<Pumped> servers = service.servers();
  servers.push_back(polkit.pumped());
  const std::string address = service.daemon.address();
  const int status = run_as(kNobody, {kOtherGroup}, servers, [&] {
    TestClient client(address);
    for (std::size_t i = 0; i < dbus::limits::kPendingChecks; ++i) {
      if (sd_bus_call_method_async(
              client.get(), nullptr, kName, kPath, kName, "Activate",
              [](sd_bus_message*, void*, sd_bus_error*) { return 0; }, nullptr, "") < 0) {
        return 3;
      }
    }
    sd_bus_error error = SD_BUS_ERROR_NULL;
    (void)sd_bus_call_method(client.get(), kName, kPath, kName, "Activate", &error, nullptr, "");
    return error.name != nullptr && std::string_view(error.name) == "org.akm.Error.Busy" ? 0 : 4;
  });
  cr_assert_eq(status, 0);
  cr_assert(service.port.calls.empty());
}

Test(authorizer, a_method_without_a_rule_is_refused) {
  NEED_ROOT();
  PrivateBus daemon;
  dbus::Bus bus({daemon.address(), "org.akm.Test"});
  dbus::Authorizer authorizer(bus, {"", false});
  std::optional<Errc> code;
  struct Context {
    dbus::Authorizer* authorizer;
    std::optional<Errc>* code;
  } context{&authorizer, &code};
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_METHOD(
          "Backdoor", "", "",
          [](sd_bus_message* m, void* userdata, sd_bus_error*) {
            auto* c = static_cast<Context*>(userdata);
            c->authorizer->authorize(m, [c](const Result<Caller>& caller) {
              *c->code = caller ? Errc::internal : caller.error().code;
            });
            return sd_bus_reply_method_return(m, "");
          },
          SD_BUS_VTABLE_UNPRIVILEGED),
      SD_BUS_VTABLE_END,
  };
  bus.add_export([&](sd_bus* handle) -> Status {
    if (sd_bus_add_object_vtable(handle, nullptr, "/x", "org.akm.Node1", kTable, &context) < 0)
      return fail(Errc::internal);
    return {};
  });
  cr_assert(bus.start().has_value());
  cr_assert(pump({pumped(bus)}, [&] { return bus.ready(); }));
  TestClient client(daemon.address());
  (void)client.call({pumped(bus)}, "org.akm.Test", "/x", "org.akm.Node1", "Backdoor");  // as uid 0
  cr_assert(code.has_value());
  cr_assert_eq(*code, Errc::not_authorized);
}

Test(authorizer, who_is_not_root_may_ask_for_what_the_role_decides) {
  NEED_ROOT();
  NodeService service;
  const std::string address = service.daemon.address();
  const int code = run_as(kNobody, {kOtherGroup}, service.servers(), [&] {
    sd_bus* bus = nullptr;
    if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, address.c_str()) < 0 ||
        sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0)
      return 3;
    return sd_bus_call_method(bus, kName, "/org/akm/Node1/asr/0000000000000001", "org.akm.Asr1", "ReleaseKey",
                              nullptr, nullptr, "i", 5) >= 0
               ? 0
               : 1;
  });
  cr_assert_eq(code, 0);
  cr_assert_eq(service.port.calls.back(), "release_key 1 5 for 65534", "it is told who asks");
}
