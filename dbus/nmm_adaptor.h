#pragma once
// org.akm.Nmm1 at /org/akm/Nmm1: the role's control port on the bus. Order in each method: parse and validate
// all arguments, authorise, call the port, reply when it is done.
#include <cstdint>
#include <string>

#include "daemon/base/control_types.h"
#include "daemon/nmm/control_port.h"
#include "dbus/asr_adaptor.h"
#include "dbus/authorizer.h"
#include "dbus/bus.h"
#include "dbus/call.h"
#include "dbus/status_object.h"

namespace akm::dbus {

inline constexpr const char* kNmmName = "org.akm.Nmm1";  // bus name and interface
inline constexpr const char* kNmmPath = "/org/akm/Nmm1";

class NmmAdaptor {
 public:
  /// Make it before Bus::start(); all three outlive it.
  NmmAdaptor(Bus& bus, Authorizer& authorizer, nmm::ControlPort& port);

  /// The role sets this as its observer. Changes are signalled at the next Bus::flush(), events at once.
  [[nodiscard]] Observer observer();

 private:
  struct Vtable;

  // Methods: they parse and validate, and return what is to be done once the caller is authorised.
  Result<Action> create_root_secret(Reader& in);
  Result<Action> prepare_bundle(Reader& in);
  Result<Action> list_drives(Reader& in);
  Result<Action> prepare_token(Reader& in);
  Result<Action> provision_direct(Reader& in);
  Result<Action> list_nodes(Reader& in);
  Result<Action> create_asr(Reader& in);
  Result<Action> add_member(Reader& in);
  Result<Action> remove_member(Reader& in);
  Result<Action> rekey(Reader& in);
  Result<Action> set_policy(Reader& in);
  Result<Action> delete_asr(Reader& in);
  Result<Action> quarantine(Reader& in);
  Result<Action> attest(Reader& in);
  Result<Action> readmit(Reader& in);
  Result<Action> prepare_for_tpm(Reader& in);
  Result<Action> set_golden_pcrs(Reader& in);
  Result<Action> begin_direct(Reader& in);
  Result<Action> confirm_direct(Reader& in);
  Result<Action> describe_node(Reader& in);
  Result<Action> reprovision(Reader& in);
  Result<Action> rehome(Reader& in);
  Result<Action> retire(Reader& in);
  Result<Action> accept_hardware(Reader& in);
  Result<Action> get_hardware_identity(Reader& in);
  Result<Action> provision_from_file(Reader& in);
  Result<Action> provision_from_memfd(Reader& in);
  Result<Action> provision_from_token(Reader& in);
  Result<Action> get_tpm_identity(Reader& in);
  Result<Action> provision_from_tpm(Reader& in);
  Result<Action> offer_handover(Reader& in);
  Result<Action> provision_sealed(Reader& in);
  Result<Action> make_backup(Reader& in);
  Result<Action> make_backup_under(Reader& in);
  Result<Action> test_backup(Reader& in);
  Result<Action> restore_backup(Reader& in);
  Result<Action> confirm_asr(Reader& in);

  Authorizer& authorizer_;
  nmm::ControlPort& port_;
  AsrAdaptor asrs_;
  StatusObject<nmm::ControlPort> status_;
  bool root_only_ = false;  // what was parsed last is for uid 0 alone
};

}  // namespace akm::dbus
