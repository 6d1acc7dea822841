#include "dbus/connection.h"

#include <systemd/sd-bus.h>
#include <ctime>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

std::int64_t monotonic_now_us() {
  timespec now{};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);  // cannot fail with these arguments
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
}

// A value is taken as it stands between "=" and the end: no escapes, no second key, no second address.
bool is_simple_value(std::string_view value) {
  return !value.empty() && value.find_first_of(",;%= \t\n") == std::string_view::npos;
}

std::string environment_or(const char* name, std::string standard) {
  const char* value = secure_getenv(name);
  return value != nullptr && *value != '\0' ? std::string(value) : std::move(standard);
}

}  // namespace

Result<std::string> resolve_address(std::string_view text) {
  std::string address(text);
  if (text == "system") {
    address = environment_or("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket");
  } else if (text == "session") {
    address = environment_or("DBUS_SESSION_BUS_ADDRESS",
                             "unix:path=" + environment_or("XDG_RUNTIME_DIR", "/run/user/0") + "/bus");
  }
  // The session bus of dbus-launch carries ",guid=...", which only guards against reuse of the socket.
  const std::string_view whole = address;
  const std::string_view first = whole.substr(0, whole.find(",guid="));
  for (const std::string_view scheme : {"unix:path=/", "unix:abstract="}) {
    if (!first.starts_with(scheme)) continue;
    if (first.size() <= limits::kAddressBytes && is_simple_value(first.substr(first.find('=') + 1)))
      return std::string(first);
  }
  return fail(Errc::invalid_argument,
              "a bus address is \"system\", \"session\", \"unix:path=/...\" or \"unix:abstract=...\"");
}

Result<std::unique_ptr<Connection>> Connection::open(const std::string& address) {
  AKM_ASSIGN(const std::string resolved, resolve_address(address));
  return open_resolved(resolved);
}

Result<std::unique_ptr<Connection>> Connection::open_resolved(const std::string& resolved) {
  sd_bus* bus = nullptr;
  int r = sd_bus_new(&bus);
  if (r >= 0) r = sd_bus_set_address(bus, resolved.c_str());
  if (r >= 0) r = sd_bus_set_bus_client(bus, 1);
  if (r >= 0) r = sd_bus_start(bus);
  if (r < 0) {
    sd_bus_close_unref(bus);
    Error error = error_from_errno(r, resolved);
    // EACCES on the socket's path: the bus is there, but not for this user.
    return std::unexpected(std::move(error));
  }
  return std::unique_ptr<Connection>(new Connection(bus));
}

Connection::~Connection() {
  // Slots of pending calls hold messages which hold the bus: they must go first, or nothing is ever freed.
  while (!pending_.empty())
    complete(pending_.front().get(), fail(Errc::unreachable, "the connection to the bus was closed"));
  sd_bus_close_unref(bus_);
}

int Connection::fd() const {
  return sd_bus_get_fd(bus_);
}

short Connection::events() const {
  const int events = sd_bus_get_events(bus_);
  return events < 0 ? short{0} : static_cast<short>(events);
}

std::optional<Instant> Connection::timeout() const {
  std::uint64_t at_us = 0;
  if (sd_bus_get_timeout(bus_, &at_us) < 0 || at_us == std::numeric_limits<std::uint64_t>::max())
    return std::nullopt;
  const Instant now = boottime_now();
  const auto at = static_cast<std::int64_t>(
      std::min<std::uint64_t>(at_us, std::numeric_limits<std::int64_t>::max() / 2'000));
  const std::int64_t wait_us = std::max<std::int64_t>(at - monotonic_now_us(), 0);
  // Rounded up: a wait that ends before the bus's own deadline would find nothing to do and spin.
  return now + std::chrono::microseconds(wait_us == 0 ? 0 : wait_us + 1);
}

Result<bool> Connection::process_one() {
  const int r = sd_bus_process(bus_, nullptr);
  if (r < 0) return std::unexpected(error_from_errno(r, "the connection to the bus"));
  return r > 0;
}

void Connection::complete(Pending* pending, Result<sd_bus_message*> result) {
  const auto at = std::ranges::find_if(pending_, [&](const auto& p) { return p.get() == pending; });
  if (at == pending_.end()) return;
  ReplyHandler handler = std::move(pending->handler);
  sd_bus_slot* slot = pending->slot;
  pending_.erase(at);
  sd_bus_slot_unref(slot);
  handler(std::move(result));
}

void Connection::call(sd_bus_message* message, Duration timeout, ReplyHandler handler) {
  auto owned = std::make_unique<Pending>(Pending{this, std::move(handler), nullptr});
  Pending* pending = owned.get();
  pending_.push_back(std::move(owned));
  const auto on_reply = [](sd_bus_message* reply, void* userdata, sd_bus_error*) -> int {
    auto* self = static_cast<Pending*>(userdata);
    if (const sd_bus_error* error = sd_bus_message_get_error(reply)) {
      const char* text = error->message == nullptr ? "" : error->message;
      self->owner->complete(self, std::unexpected(error_from(error->name, text)));
    } else {
      self->owner->complete(self, reply);
    }
    return 1;
  };
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  const int r =
      sd_bus_call_async(bus_, &pending->slot, message, on_reply, pending, static_cast<std::uint64_t>(us));
  if (r < 0) complete(pending, std::unexpected(error_from_errno(r, "a call over the bus")));
}

void Connection::call_method(const char* destination, const char* path, const char* interface,
                             const char* member, std::initializer_list<const char*> arguments,
                             Duration timeout, ReplyHandler handler) {
  sd_bus_message* message = nullptr;
  int r = sd_bus_message_new_method_call(bus_, &message, destination, path, interface, member);
  for (const char* argument : arguments) {
    if (r >= 0) r = sd_bus_message_append_basic(message, 's', argument);
  }
  if (r < 0) {
    handler(std::unexpected(error_from_errno(r, "a call over the bus")));
  } else {
    call(message, timeout, std::move(handler));
  }
  sd_bus_message_unref(message);
}

}  // namespace akm::dbus
