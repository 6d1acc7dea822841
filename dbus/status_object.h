#pragma once
// A role's object on the bus as far as its status goes: exported, read from one snapshot for each message,
// and what changed signalled at the next flush.
#include <systemd/sd-bus.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/control_types.h"
#include "dbus/bus.h"
#include "dbus/errors.h"
#include "dbus/property.h"
#include "dbus/signals.h"

namespace akm::dbus {

/// `Port` is a role's control port.
template <typename Port>
class StatusObject {
 public:
  using Snapshot = decltype(std::declval<const Port&>().status());
  struct Place {
    const char* path;
    const char* interface;  // which is the bus name too
    std::span<const Property<Snapshot>> properties;
    const sd_bus_vtable* vtable;
    void* self;  // what the vtable's callbacks are given
  };

  /// Make it before Bus::start(); bus and port outlive it.
  StatusObject(Bus& bus, const Port& port, Place place) : bus_(bus), port_(port), place_(place) {
    bus_.add_export([this](sd_bus* handle) { return export_on(handle); });
    bus_.add_flush([this] { flush(); });
  }
  StatusObject(const StatusObject&) = delete;
  StatusObject& operator=(const StatusObject&) = delete;

  void changed() { dirty_ = true; }
  void event(const EventRecord& event) { emit_event(bus_.handle(), place_.path, place_.interface, event); }
  void append(const char* property, Writer& out) {
    append_property<Snapshot>(place_.properties, property, current(), out);
  }

 private:
  Status export_on(sd_bus* bus) {
    const int r =
        sd_bus_add_object_vtable(bus, nullptr, place_.path, place_.interface, place_.vtable, place_.self);
    if (r < 0) return std::unexpected(error_from_errno(r, std::string("exporting ") + place_.interface));
    announced_ = port_.status();
    dirty_ = false;
    return {};
  }
  const Snapshot& current() {
    if (fresh_for_ != bus_.message_number()) {
      fresh_ = port_.status();
      fresh_for_ = bus_.message_number();
    }
    return fresh_;
  }
  void flush() {
    if (!std::exchange(dirty_, false) || bus_.handle() == nullptr) return;
    const std::vector<std::string> names =
        changed_properties<Snapshot>(place_.properties, announced_, current());
    announced_ = current();
    emit_changed(bus_.handle(), place_.path, place_.interface, names);
  }

  Bus& bus_;
  const Port& port_;
  Place place_;
  Snapshot announced_;  // what callers were told
  Snapshot fresh_;      // taken for the present message
  std::uint64_t fresh_for_ = 0;
  bool dirty_ = false;
};

}  // namespace akm::dbus
