#pragma once
// org.akm.Sealing1 beside a role's own interface: how its storage key is sealed.
#include <string>

#include "daemon/base/sealing_port.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"

namespace akm::dbus {

inline constexpr const char* kSealingName = "org.akm.Sealing1";

class SealingAdaptor {
 public:
  /// `path`: "/org/akm/Node1" or "/org/akm/Nmm1". Make it before Bus::start(); all outlive it.
  SealingAdaptor(Bus& bus, Authorizer& authorizer, std::string path, SealingPort& port);

 private:
  struct Vtable;

  // Methods: they parse and validate, and return what is to be done once the caller is authorised.
  Result<Action> get_pcrs(Reader& in);
  Result<Action> predict_pcrs(Reader& in);
  Result<Action> authorize_pcrs(Reader& in);
  Result<Action> reseal(Reader& in);
  Result<Action> recover(Reader& in);

  Authorizer& authorizer_;
  SealingPort& port_;
};

}  // namespace akm::dbus
