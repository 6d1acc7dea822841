#include "daemon/watch/device_events.h"

#include <libudev.h>

#include <cerrno>

namespace akm::watch {
namespace {

constexpr int kEventsATurn = 64;

std::string text(const char* value) {
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Result<std::unique_ptr<DeviceEvents>> DeviceEvents::open(Source source, const std::vector<Kind>& kinds) {
  std::unique_ptr<DeviceEvents> out(new DeviceEvents);
  const char* const name = source == Source::kernel ? "kernel" : "udev";
  out->udev_ = ::udev_new();
  if (out->udev_ == nullptr) return fail_errno(Errc::io_failed, "libudev");
  out->monitor_ = ::udev_monitor_new_from_netlink(out->udev_, name);
  if (out->monitor_ == nullptr) return fail_errno(Errc::io_failed, std::string("uevents of ") + name);
  for (const Kind& kind : kinds) {
    if (::udev_monitor_filter_add_match_subsystem_devtype(out->monitor_, kind.subsystem, kind.type) < 0)
      return fail(Errc::io_failed, std::string("uevents of ") + name);
  }
  if (::udev_monitor_enable_receiving(out->monitor_) < 0)
    return fail(Errc::io_failed, std::string("uevents of ") + name);
  return out;
}

DeviceEvents::~DeviceEvents() {
  if (monitor_ != nullptr) ::udev_monitor_unref(monitor_);
  if (udev_ != nullptr) ::udev_unref(udev_);
}

int DeviceEvents::fd() const {
  return ::udev_monitor_get_fd(monitor_);
}

bool DeviceEvents::drain(const std::function<void(const DeviceEvent&)>& each) {
  bool any = false;
  for (int left = kEventsATurn; left > 0; --left) {
    errno = 0;
    udev_device* device = ::udev_monitor_receive_device(monitor_);
    if (device != nullptr) {
      each({.action = text(::udev_device_get_action(device)),
            .subsystem = text(::udev_device_get_subsystem(device)),
            .type = text(::udev_device_get_devtype(device)),
            .path = text(::udev_device_get_devpath(device)),
            .interface = text(::udev_device_get_property_value(device, "INTERFACE")),
            .product = text(::udev_device_get_property_value(device, "PRODUCT"))});
      ::udev_device_unref(device);
      any = true;
      continue;
    }
    // Events were lost: worth a look as well. Of another subsystem: not ours, and there may be more.
    if (errno == ENOBUFS) any = true;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) break;
  }
  return any;
}

}  // namespace akm::watch
