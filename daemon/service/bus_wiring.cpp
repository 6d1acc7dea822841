#include "daemon/service/bus_wiring.h"

#include <utility>

#include "daemon/base/log.h"

namespace akm::service {

BusWiring::BusWiring(io::Loop& loop, dbus::Bus& bus) : loop_(loop), bus_(bus) {
  bus_.on_fd_change([this](int fd) { fd_changed(fd); });
  loop_.add_deadline([this] { return bus_.timeout(); }, [this] { bus_.process(); });
  loop_.at_end_of_turn([this] { end_of_turn(); });
}

Status BusWiring::start(std::function<void()> ready) {
  ready_ = std::move(ready);
  return bus_.start();
}

void BusWiring::fd_changed(int fd) {
  if (watch_) loop_.unwatch(*std::exchange(watch_, std::nullopt));
  if (fd < 0) return;
  events_ = bus_.events();
  const auto watch =
      loop_.watch(fd, static_cast<std::uint32_t>(events_), [this](std::uint32_t) { bus_.process(); });
  if (!watch) {
    log::error("The bus cannot be watched", {{"AKM_ERROR", watch.error().message()}});
    return;
  }
  watch_ = *watch;
}

void BusWiring::end_of_turn() {
  bus_.flush();
  if (ready_ && bus_.ready()) std::exchange(ready_, {})();
  if (!watch_ || bus_.events() == events_) return;
  events_ = bus_.events();
  if (const Status changed = loop_.change_watch(*watch_, static_cast<std::uint32_t>(events_)); !changed) {
    log::error("The bus cannot be watched", {{"AKM_ERROR", changed.error().message()}});
  }
}

}  // namespace akm::service
