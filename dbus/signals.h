#pragma once
// Signals that every role's object has.
#include <string>
#include <vector>

#include "daemon/base/control_types.h"

struct sd_bus;

namespace akm::dbus {

/// org.freedesktop.DBus.Properties.PropertiesChanged with the present values of `names`. Nothing when there
/// are none.
void emit_changed(sd_bus* bus, const char* path, const char* interface,
                  const std::vector<std::string>& names);
/// The signal Event of org.akm.Node1 and org.akm.Nmm1.
void emit_event(sd_bus* bus, const char* path, const char* interface, const EventRecord& event);
/// KeyRenewed or KeyRevoked of org.akm.Asr1.
void emit_key_changed(sd_bus* bus, const char* path, const char* interface, const ExportedKey& key,
                      bool revoked);

}  // namespace akm::dbus
