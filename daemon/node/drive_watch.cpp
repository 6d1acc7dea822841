#include "daemon/node/drive_watch.h"

#include <poll.h>

namespace akm::node {

Result<std::unique_ptr<DriveWatch>> DriveWatch::create(io::Loop& loop, std::function<void()> changed) {
  std::unique_ptr<DriveWatch> out(new DriveWatch(loop, std::move(changed)));
  // Both: the kernel's come at once, udev's when its rules have run, and either may be all that there is.
  AKM_TRY(out->listen(out->monitors_[0], watch::DeviceEvents::Source::kernel));
  AKM_TRY(out->listen(out->monitors_[1], watch::DeviceEvents::Source::udev));
  return out;
}

DriveWatch::~DriveWatch() {
  for (const Monitor& one : monitors_) {
    if (one.watch) loop_.unwatch(*one.watch);
  }
}

Status DriveWatch::listen(Monitor& on, watch::DeviceEvents::Source source) {
  AKM_ASSIGN(on.events, watch::DeviceEvents::open(source, {{"block", nullptr}}));
  AKM_ASSIGN(on.watch, loop_.watch(on.events->fd(), POLLIN, [this, events = on.events.get()](std::uint32_t) {
    if (events->drain([](const watch::DeviceEvent&) {})) changed_();
  }));
  return {};
}

}  // namespace akm::node
