#pragma once
// org.akm.Policy1 beside a role's own interface: its policy on detections, and maintenance windows.
#include <functional>
#include <string>

#include "daemon/base/policy_port.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"

namespace akm::dbus {

inline constexpr const char* kPolicyName = "org.akm.Policy1";

class PolicyAdaptor {
 public:
  /// `path`: "/org/akm/Node1" or "/org/akm/Nmm1". `port`: null while the state is not open. Make it before
  /// Bus::start(); all outlive it.
  PolicyAdaptor(Bus& bus, Authorizer& authorizer, std::string path, std::function<PolicyPort*()> port);

 private:
  struct Vtable;

  // Methods: they parse and validate, and return what is to be done once the caller is authorised.
  Result<Action> get_policy(Reader& in);
  Result<Action> set_policy(Reader& in);
  Result<Action> list_maintenance(Reader& in);
  Result<Action> start_maintenance(Reader& in);
  Result<Action> stop_maintenance(Reader& in);
  Action acting(std::function<Status(PolicyPort&)> act);

  Authorizer& authorizer_;
  std::function<PolicyPort*()> port_;
};

}  // namespace akm::dbus
