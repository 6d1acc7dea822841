#pragma once
// A fake role behind its real adaptor on a private bus, with a client.
#include "dbus/audit_adaptor.h"
#include "dbus/authorizer.h"
#include "dbus/nmm_adaptor.h"
#include "dbus/node_adaptor.h"
#include "dbus/policy_adaptor.h"
#include "dbus/sealing_adaptor.h"
#include "tests/support/dbus_fixture.h"
#include "tests/support/fake_ports.h"

namespace akm::test {

template <typename Port, typename Adaptor>
struct Service {
  explicit Service(const char* name, const dbus::Authorizer::Options& who = {"", false})
      : bus({daemon.address(), name}),
        authorizer(bus, who),
        adaptor(bus, authorizer, port),
        observer(adaptor.observer()) {
    if (!bus.start() || !pump({pumped(bus)}, [&] { return bus.ready(); })) give_up("service not on the bus");
  }
  [[nodiscard]] std::vector<Pumped> servers() { return {pumped(bus)}; }

  PrivateBus daemon;
  Port port;
  dbus::Bus bus;
  dbus::Authorizer authorizer;
  Adaptor adaptor;
  Observer observer;
};

struct NodeService : Service<FakeNode, dbus::NodeAdaptor> {
  explicit NodeService(const dbus::Authorizer::Options& who = {"", false}) : Service(dbus::kNodeName, who) {}
};
struct NmmService : Service<FakeNmm, dbus::NmmAdaptor> {
  explicit NmmService(const dbus::Authorizer::Options& who = {"", false}) : Service(dbus::kNmmName, who) {}
};

/// org.akm.Sealing1 alone, where a node has it.
struct SealingBench {
  SealingBench()
      : bus({daemon.address(), dbus::kNodeName}),
        authorizer(bus, {"", false}),
        adaptor(bus, authorizer, dbus::kNodePath, port) {
    if (!bus.start() || !pump({pumped(bus)}, [&] { return bus.ready(); })) give_up("service not on the bus");
  }
  [[nodiscard]] std::vector<Pumped> servers() { return {pumped(bus)}; }

  PrivateBus daemon;
  FakeSealing port;
  dbus::Bus bus;
  dbus::Authorizer authorizer;
  dbus::SealingAdaptor adaptor;
};

/// org.akm.Audit1 alone, where a node has it.
struct AuditBusBench {
  AuditBusBench()
      : bus({daemon.address(), dbus::kNodeName}),
        authorizer(bus, {"", false}),
        adaptor(bus, authorizer, dbus::kNodePath, port) {
    if (!bus.start() || !pump({pumped(bus)}, [&] { return bus.ready(); })) give_up("service not on the bus");
  }
  [[nodiscard]] std::vector<Pumped> servers() { return {pumped(bus)}; }

  PrivateBus daemon;
  FakeAudit port;
  dbus::Bus bus;
  dbus::Authorizer authorizer;
  dbus::AuditAdaptor adaptor;
};

/// org.akm.Policy1 alone, where a node has it.
struct PolicyBench {
  PolicyBench()
      : bus({daemon.address(), dbus::kNodeName}),
        authorizer(bus, {"", false}),
        adaptor(bus, authorizer, dbus::kNodePath, [this] { return open ? &port : nullptr; }) {
    if (!bus.start() || !pump({pumped(bus)}, [&] { return bus.ready(); })) give_up("service not on the bus");
  }
  [[nodiscard]] std::vector<Pumped> servers() { return {pumped(bus)}; }

  PrivateBus daemon;
  FakePolicy port;
  bool open = true;
  dbus::Bus bus;
  dbus::Authorizer authorizer;
  dbus::PolicyAdaptor adaptor;
};

/// Most methods need uid 0; without it the tests that call them say so and are skipped.
inline bool may_call() {
  return geteuid() == 0;
}

}  // namespace akm::test
