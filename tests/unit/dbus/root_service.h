#pragma once
// A fake Root behind its real adaptor on a private bus.
#include "dbus/root_adaptor.h"
#include "tests/support/fake_root.h"
#include "tests/unit/dbus/service_fixture.h"

namespace akm::test {

struct RootService : Service<FakeRoot, dbus::RootAdaptor> {
  explicit RootService(const dbus::Authorizer::Options& who = {"", false}) : Service(dbus::kRootName, who) {}
};

}  // namespace akm::test
