#include "daemon/node/drive_watch.h"

#include <libudev.h>
#include <poll.h>

#include <cerrno>

namespace akm::node {
namespace {

constexpr int kEventsATurn = 64;  // the rest keeps the descriptor readable

}  // namespace

Result<std::unique_ptr<DriveWatch>> DriveWatch::create(io::Loop& loop, std::function<void()> changed) {
  std::unique_ptr<DriveWatch> out(new DriveWatch(loop, std::move(changed)));
  out->udev_ = ::udev_new();
  if (out->udev_ == nullptr) return fail_errno(Errc::io_failed, "libudev");
  // Both: the kernel's come at once, udev's when its rules have run, and either may be all that there is.
  AKM_TRY(out->listen(out->monitors_[0], "kernel"));
  AKM_TRY(out->listen(out->monitors_[1], "udev"));
  return out;
}

DriveWatch::~DriveWatch() {
  for (const Monitor& one : monitors_) {
    if (one.watch) loop_.unwatch(*one.watch);
    if (one.monitor != nullptr) ::udev_monitor_unref(one.monitor);
  }
  if (udev_ != nullptr) ::udev_unref(udev_);
}

Status DriveWatch::listen(Monitor& on, const char* source) {
  on.monitor = ::udev_monitor_new_from_netlink(udev_, source);
  if (on.monitor == nullptr) return fail_errno(Errc::io_failed, std::string("uevents of ") + source);
  if (::udev_monitor_filter_add_match_subsystem_devtype(on.monitor, "block", nullptr) < 0 ||
      ::udev_monitor_enable_receiving(on.monitor) < 0) {
    return fail(Errc::io_failed, std::string("uevents of ") + source);
  }
  const auto watch = loop_.watch(::udev_monitor_get_fd(on.monitor), POLLIN,
                                 [this, monitor = on.monitor](std::uint32_t) { readable(monitor); });
  if (!watch) return std::unexpected(watch.error());
  on.watch = *watch;
  return {};
}

void DriveWatch::readable(udev_monitor* monitor) {
  bool any = false;
  for (int left = kEventsATurn; left > 0; --left) {
    errno = 0;
    udev_device* device = ::udev_monitor_receive_device(monitor);
    if (device != nullptr) {
      ::udev_device_unref(device);
      any = true;
      continue;
    }
    // Events were lost: look as well. Of another subsystem: not ours, and there may be more.
    if (errno == ENOBUFS) any = true;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) break;
  }
  if (any) changed_();
}

}  // namespace akm::node
