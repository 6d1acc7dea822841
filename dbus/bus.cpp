#include "dbus/bus.h"

#include <systemd/sd-bus.h>

#include <algorithm>

#include "daemon/base/log.h"
#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {

Bus::~Bus() {
  // The owner's hooks may be gone by now; replies that are still held find a closed connection.
  connection_.reset();
}

Status Bus::start() {
  AKM_ASSIGN(address_, resolve_address(options_.address.empty() ? "system" : options_.address));
  started_ = true;
  connect();
  return {};
}

std::optional<Instant> Bus::timeout() const {
  if (!started_) return std::nullopt;
  if (!connection_) return retry_at_;
  // A full turn may have left messages in sd-bus's own queue, which the fd does not tell of.
  if (more_) return Instant{0};
  return connection_->timeout();
}

void Bus::process() {
  if (!started_) return;
  if (!connection_) {
    if (boottime_now() < retry_at_) return;
    connect();
    if (!connection_) return;
  }
  more_ = true;
  for (std::size_t i = 0; i < limits::kMessagesPerTurn && more_; ++i) {
    ++message_number_;
    const Result<bool> done = connection_->process_one();
    if (!done) broken_ = done.error();
    if (broken_) {
      disconnect(*std::exchange(broken_, std::nullopt));
      return;
    }
    more_ = *done;
  }
}

void Bus::flush() {
  ++message_number_;
  for (const auto& hook : flushes_) hook();
}

void Bus::connect() {
  auto opened = Connection::open(address_);
  if (!opened) {
    disconnect(opened.error());
    return;
  }
  connection_ = std::move(*opened);
  ++message_number_;
  for (const auto& exporter : exports_) {
    if (const Status status = exporter(connection_->get()); !status) {
      disconnect(status.error());
      return;
    }
  }
  request_name();
  more_ = true;
  if (fd_changed_) fd_changed_(connection_->fd());
}

void Bus::request_name() {
  sd_bus_message* message = nullptr;
  int r = sd_bus_message_new_method_call(connection_->get(), &message, "org.freedesktop.DBus",
                                         "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName");
  if (r >= 0)
    r = sd_bus_message_append(message, "su", options_.name.c_str(), std::uint32_t{4});  // DO_NOT_QUEUE
  const auto owned = [this](Result<sd_bus_message*> reply) {
    std::uint32_t code = 0;
    if (reply && sd_bus_message_read_basic(*reply, 'u', &code) > 0 && code == 1) {  // PRIMARY_OWNER
      ready_ = true;
      pause_ = Duration{0};
      if (std::exchange(said_lost_, false)) ++reconnects_;
      log::info("On the bus", {{"AKM_BUS", address_}, {"AKM_BUS_NAME", options_.name}});
      return;
    }
    broken_ = reply ? Error{Errc::already_exists, "another process owns " + options_.name} : reply.error();
  };
  if (r >= 0) connection_->call(message, limits::kCredentialsTimeout, owned);
  if (r < 0) broken_ = error_from_errno(r, "RequestName");
  sd_bus_message_unref(message);
}

void Bus::disconnect(const Error& why) {
  // Once a loss, not once an attempt.
  if (!std::exchange(said_lost_, true)) {
    log::warning("Not on the bus, trying again: " + why.message(),
                 {{"AKM_BUS", address_}, {"AKM_BUS_NAME", options_.name}});
  }
  ready_ = false;
  more_ = false;
  if (connection_ && fd_changed_) fd_changed_(-1);
  connection_.reset();
  broken_.reset();
  // Growing pauses: a bus that restarts is back at once, one that is gone costs a wake-up each five seconds.
  pause_ = std::clamp(pause_ * 2, limits::kReconnectFirst, limits::kReconnectMost);
  retry_at_ = boottime_now() + pause_;
}

}  // namespace akm::dbus
