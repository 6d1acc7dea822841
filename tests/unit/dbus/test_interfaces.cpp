// The XML files are the API: what is on the bus is what they say, each part of them is documented, and each
// method has a rule of authorisation.
#include <criterion/criterion.h>

#include "dbus/access_table.h"
#include "tests/unit/dbus/interface_xml.h"
#include "tests/unit/dbus/root_service.h"
#include "tests/unit/dbus/service_fixture.h"

using namespace akm;
using namespace akm::test;

namespace {

std::string written(const std::string& interface) {
  std::ifstream in(std::string(AKM_INTERFACES) + "/" + interface + ".xml");
  return {std::istreambuf_iterator<char>(in), {}};
}

template <typename S>
std::string introspected(S& service, const std::string& name, const std::string& path) {
  TestClient client(service.daemon.address());
  const Answer answer = client.call(service.servers(), name.c_str(), path.c_str(),
                                    "org.freedesktop.DBus.Introspectable", "Introspect");
  const char* xml = nullptr;
  cr_assert(answer.error.empty(), "%s", answer.error.c_str());
  cr_assert_gt(sd_bus_message_read(answer.message, "s", &xml), 0);
  return xml;
}

void expect_same(const std::string& live, const std::string& interface) {
  const std::set<std::string> wanted = interface_members(written(interface), interface);
  const std::set<std::string> found = interface_members(live, interface);
  cr_assert_geq(wanted.size(), 5);
  for (const std::string& member : wanted)
    cr_expect(found.contains(member), "only in the XML: %s", member.c_str());
  for (const std::string& member : found)
    cr_expect(wanted.contains(member), "only on the bus: %s", member.c_str());
}

}  // namespace

Test(interfaces, node_and_its_relationships) {
  NodeService service;
  expect_same(introspected(service, "org.akm.Node1", "/org/akm/Node1"), "org.akm.Node1");
  expect_same(introspected(service, "org.akm.Node1", "/org/akm/Node1/asr/0000000000000001"), "org.akm.Asr1");
}

Test(interfaces, nmm_and_its_relationships) {
  NmmService service;
  expect_same(introspected(service, "org.akm.Nmm1", "/org/akm/Nmm1"), "org.akm.Nmm1");
  expect_same(introspected(service, "org.akm.Nmm1", "/org/akm/Nmm1/asr/0000000000000001"), "org.akm.Asr1");
}

Test(interfaces, root) {
  RootService service;
  expect_same(introspected(service, "org.akm.Root1", "/org/akm/Root1"), "org.akm.Root1");
}

Test(interfaces, sealing) {
  SealingBench service;
  expect_same(introspected(service, "org.akm.Node1", "/org/akm/Node1"), "org.akm.Sealing1");
}

Test(interfaces, audit) {
  AuditBusBench service;
  const std::string live = introspected(service, "org.akm.Node1", "/org/akm/Node1");
  cr_assert(interface_members(live, "org.akm.Audit1") ==
            interface_members(written("org.akm.Audit1"), "org.akm.Audit1"));
}

Test(interfaces, policy) {
  PolicyBench service;
  expect_same(introspected(service, "org.akm.Node1", "/org/akm/Node1"), "org.akm.Policy1");
}

Test(interfaces, the_comparison_sees_a_difference) {
  const std::string one =
      R"(<node><interface name="a.b"><method name="M"><arg name="x" type="s" direction="in"/></method>
    <property name="P" type="s" access="read"/><method name="N"/></interface></node>)";
  const std::set<std::string> members = interface_members(one, "a.b");
  cr_assert_eq(members.size(), 3);
  cr_assert(members.contains("method M in:x:s"));
  cr_assert(members.contains("method N"));
  cr_assert(members.contains("property P s read"));
  cr_assert(interface_members(one, "a.c").empty());
}

Test(interfaces, every_method_has_a_rule_and_every_rule_a_method) {
  std::size_t methods = 0;
  for (const char* interface : {"org.akm.Node1", "org.akm.Nmm1", "org.akm.Root1", "org.akm.Asr1",
                                "org.akm.Sealing1", "org.akm.Audit1", "org.akm.Policy1"}) {
    for (const XmlTag& tag : xml_tags(written(interface))) {
      if (tag.name != "method") continue;
      ++methods;
      cr_expect_not_null(dbus::find_access_rule(interface, tag.attributes.at("name")), "%s has no rule",
                         tag.attributes.at("name").c_str());
    }
  }
  cr_assert_eq(methods, dbus::access_table().size());
}

Test(interfaces, everything_is_documented) {
  for (const char* interface : {"org.akm.Node1", "org.akm.Nmm1", "org.akm.Root1", "org.akm.Asr1",
                                "org.akm.Sealing1", "org.akm.Audit1", "org.akm.Policy1"}) {
    std::string comment;
    std::string method;
    for (const XmlTag& tag : xml_tags(written(interface))) {
      if (tag.name == "method" || tag.name == "signal" || tag.name == "property") {
        comment = tag.comment;
        method = tag.attributes.at("name");
        cr_expect(comment.contains(method + ":"), "%s.%s is not documented", interface, method.c_str());
        if (comment.contains("as in org.akm.Node1")) comment.clear();
      } else if (tag.name == "arg" && !comment.empty() && !tag.attributes.at("name").ends_with("_id")) {
        cr_expect(comment.contains("@" + tag.attributes.at("name") + ":"), "%s.%s: argument %s", interface,
                  method.c_str(), tag.attributes.at("name").c_str());
      }
    }
  }
}
