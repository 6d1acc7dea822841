#pragma once
// org.akm.Audit1 beside a role's own interface: its audit log and what that says of incidents.
#include <string>

#include "daemon/base/audit_port.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"

namespace akm::dbus {

inline constexpr const char* kAuditName = "org.akm.Audit1";

class AuditAdaptor {
 public:
  /// `path`: "/org/akm/Node1" or "/org/akm/Nmm1". Make it before Bus::start(); all outlive it.
  AuditAdaptor(Bus& bus, Authorizer& authorizer, std::string path, AuditPort& port);

 private:
  struct Vtable;

  // Methods: they parse and validate, and return what is to be done once the caller is authorised.
  Result<Action> verify(Reader& in);
  Result<Action> list_records(Reader& in);
  Result<Action> list_incidents(Reader& in);
  Result<Action> check_seals(Reader& in);

  Authorizer& authorizer_;
  AuditPort& port_;
};

}  // namespace akm::dbus
