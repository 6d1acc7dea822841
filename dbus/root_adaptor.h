#pragma once
// org.akm.Root1 at /org/akm/Root1: the role's control port on the bus. Order in each method: parse and
// validate all arguments, authorise, call the port, reply when it is done.
#include <cstdint>
#include <string>

#include "daemon/base/control_types.h"
#include "daemon/root/control_port.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"
#include "dbus/status_object.h"

namespace akm::dbus {

inline constexpr const char* kRootName = "org.akm.Root1";  // bus name and interface
inline constexpr const char* kRootPath = "/org/akm/Root1";

class RootAdaptor {
 public:
  /// Make it before Bus::start(); all three outlive it.
  RootAdaptor(Bus& bus, Authorizer& authorizer, root::ControlPort& port);

  /// The role sets this as its observer. Changes are signalled at the next Bus::flush(), events at once.
  [[nodiscard]] Observer observer();

 private:
  struct Vtable;

  // Methods: they parse and validate, and return what is to be done once the caller is authorised.
  Result<Action> create_root_secret(Reader& in);
  Result<Action> list_nmms(Reader& in);
  Result<Action> prepare_nmm(Reader& in);
  Result<Action> provision_nmm(Reader& in);
  Result<Action> replace_nmm(Reader& in);
  Result<Action> replace_nmm_direct(Reader& in);
  Result<Action> prepare_nmm_on_token(Reader& in);
  Result<Action> prepare_nmm_for_tpm(Reader& in);
  Result<Action> begin_direct(Reader& in);
  Result<Action> confirm_direct(Reader& in);
  Result<Action> prune_history(Reader& in);
  Result<Action> list_reports(Reader& in);
  Result<Action> list_incidents(Reader& in);
  Result<Action> list_records(Reader& in);
  Result<Action> get_record(Reader& in);
  Result<Action> set_record(Reader& in);
  Result<Action> remove_record(Reader& in);
  Result<Action> list_history(Reader& in);
  Result<Action> diff(Reader& in);
  Result<Action> rollback(Reader& in);

  Authorizer& authorizer_;
  root::ControlPort& port_;
  StatusObject<root::ControlPort> status_;
  bool root_only_ = false;  // what was parsed last is for uid 0 alone
};

}  // namespace akm::dbus
