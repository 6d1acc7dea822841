#include "dbus/signals.h"

#include <systemd/sd-bus.h>

#include "dbus/message.h"

namespace akm::dbus {

// A signal that cannot be sent has no one to be told: the connection is going, and process() will find that
// out.

void emit_changed(sd_bus* bus, const char* path, const char* interface,
                  const std::vector<std::string>& names) {
  if (bus == nullptr || names.empty()) return;
  std::vector<std::string> copies = names;
  std::vector<char*> list;
  list.reserve(copies.size() + 1);
  for (std::string& name : copies) list.push_back(name.data());
  list.push_back(nullptr);
  (void)sd_bus_emit_properties_changed_strv(bus, path, interface, list.data());
}

void emit_event(sd_bus* bus, const char* path, const char* interface, const EventRecord& event) {
  if (bus == nullptr) return;
  sd_bus_message* message = nullptr;
  if (sd_bus_message_new_signal(bus, &message, path, interface, "Event") >= 0) {
    Writer out(message);
    out.text(event.name).u8(event.severity).i64(event.boottime_ns).u64(event.asr_id).text_map(event.fields);
    if (out.status() >= 0) (void)sd_bus_send(bus, message, nullptr);
  }
  sd_bus_message_unref(message);
}

void emit_key_changed(sd_bus* bus, const char* path, const char* interface, const ExportedKey& key,
                      bool revoked) {
  if (bus == nullptr) return;
  sd_bus_message* message = nullptr;
  if (sd_bus_message_new_signal(bus, &message, path, interface, revoked ? "KeyRevoked" : "KeyRenewed") >= 0) {
    Writer out(message);
    out.text(key.name).i32(key.serial);
    if (!revoked) out.u32(key.generation).u32(key.epoch);
    if (out.status() >= 0) (void)sd_bus_send(bus, message, nullptr);
  }
  sd_bus_message_unref(message);
}

}  // namespace akm::dbus
