#pragma once
// org.akm.Node1 at /org/akm/Node1: the role's control port on the bus. Order in each method: parse and
// validate all arguments, authorise, call the port, reply when it is done.
#include <cstdint>
#include <string>

#include "daemon/base/control_types.h"
#include "daemon/node/control_port.h"
#include "dbus/asr_adaptor.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"
#include "dbus/status_object.h"

namespace akm::dbus {

inline constexpr const char* kNodeName = "org.akm.Node1";  // bus name and interface
inline constexpr const char* kNodePath = "/org/akm/Node1";

class NodeAdaptor {
 public:
  /// Make it before Bus::start(); all three outlive it.
  NodeAdaptor(Bus& bus, Authorizer& authorizer, node::ControlPort& port);

  /// The role sets this as its observer. Changes are signalled at the next Bus::flush(), events at once.
  [[nodiscard]] Observer observer();

 private:
  struct Vtable;

  // Methods: they parse and validate, and return what is to be done once the caller is authorised.
  Result<Action> get_hardware_identity(Reader& in);
  Result<Action> provision_from_file(Reader& in);
  Result<Action> provision_from_memfd(Reader& in);
  Result<Action> provision_from_token(Reader& in);
  Result<Action> get_tpm_identity(Reader& in);
  Result<Action> provision_from_tpm(Reader& in);
  Result<Action> offer_handover(Reader& in);
  Result<Action> provision_sealed(Reader& in);
  Result<Action> activate(Reader& in);
  Result<Action> zeroize(Reader& in);
  Result<Action> rehome(Reader& in);
  Result<Action> generalize(Reader& in);

  Authorizer& authorizer_;
  node::ControlPort& port_;
  AsrAdaptor asrs_;
  StatusObject<node::ControlPort> status_;
};

}  // namespace akm::dbus
