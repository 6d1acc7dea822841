#include "dbus/log_control.h"

#include <systemd/sd-bus.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "daemon/base/log_setting.h"
#include "dbus/call.h"
#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

// The interface's names, which are not those of the configuration.
constexpr std::array<const char*, 8> kLevels{"emerg",   "alert",  "crit", "err",
                                             "warning", "notice", "info", "debug"};

const char* level_now() {
  return kLevels.at(static_cast<std::size_t>(log::options().level));
}

const char* target_now() {
  return log::in_journal() ? "journal" : "console";
}

void say_changed(const char* what, const std::string& from, const std::string& to, const Call& call) {
  log::write(log::Level::notice, {}, what, {{"AKM_FROM", from}, {"AKM_TO", to}, {"AKM_CALLER", call.who()}});
}

Result<Action> set_level(const std::string& text) {
  const auto* const found = std::ranges::find(kLevels, text);
  if (found == kLevels.end()) {
    return fail(Errc::invalid_argument,
                "a log level is one of emerg, alert, crit, err, warning, notice, info and debug");
  }
  const auto level = static_cast<log::Level>(found - kLevels.begin());
  return [level, text](Call call) {
    const std::string before = level_now();
    // By the more talkative of the two, so that the log says why it goes quiet.
    if (level > log::options().level) log::set_level(level);
    say_changed("The log's level is another one until the next start or reload", before, text, call);
    log::set_level(level);
    call.reply();
  };
}

Result<Action> set_target(const std::string& text) {
  log::Options wanted = log::options();
  if (text == "journal") {
    wanted.target = log::Options::Target::journal;
  } else if (text == "console") {
    wanted.target = log::Options::Target::text;
  } else if (text == "auto") {
    wanted.target = log::Options::Target::automatic;
  } else {
    return fail(Errc::invalid_argument, "a log target is one of journal, console and auto");
  }
  return [wanted = std::move(wanted)](Call call) {
    const std::string before = target_now();
    if (const Status opened = log::open(wanted); !opened) return call.fail(opened.error());
    say_changed("The log goes elsewhere until the next start or reload", before, target_now(), call);
    call.reply();
  };
}

template <const char* (*Value)()>
int get(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*, sd_bus_error*) {
  return sd_bus_message_append_basic(reply, 's', Value());
}

int get_identifier(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                   sd_bus_error*) {
  return sd_bus_message_append_basic(reply, 's', log::options().identifier.c_str());
}

// Set() is answered before sd-bus looks for a property, which it would do with a blocking question to the bus
// about the caller.
int never_set(sd_bus*, const char*, const char*, const char*, sd_bus_message*, void*, sd_bus_error*) {
  return -EACCES;
}

Result<std::string> text_of_variant(Reader& in) {
  AKM_ASSIGN(const std::string type, in.peek_variant());
  if (type != "s") return fail(Errc::invalid_argument, "it is a text");
  AKM_TRY(in.enter('v', "s"));
  return in.text(limits::kTextBytes);
}

}  // namespace

struct LogControl::Vtable {
  static int on_message(sd_bus_message* message, void* userdata, sd_bus_error*);
  static const sd_bus_vtable* table();
};

int LogControl::Vtable::on_message(sd_bus_message* message, void* userdata, sd_bus_error*) {
  if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "Set") <= 0) return 0;
  Reader in(message);
  const auto interface = in.text(limits::kTextBytes);
  const auto property = in.text(limits::kTextBytes);
  const bool level = property && *property == "LogLevel";
  const bool ours =
      interface && *interface == kLogControlName && (level || (property && *property == "LogTarget"));
  if (!ours) {
    const int r = sd_bus_message_rewind(message, 1);
    return r < 0 ? r : 0;  // sd-bus says that there is no such property, or that it is read-only
  }
  const auto value = text_of_variant(in);
  Result<Action> action =
      value ? (level ? set_level(*value) : set_target(*value)) : std::unexpected(value.error());
  return dispatch(static_cast<LogControl*>(userdata)->authorizer_, message, std::move(action), true);
}

const sd_bus_vtable* LogControl::Vtable::table() {
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get<level_now>, never_set, 0, 0),
      SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get<target_now>, never_set, 0, 0),
      SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

LogControl::LogControl(Bus& bus, Authorizer& authorizer) : authorizer_(authorizer) {
  bus.add_export([this](sd_bus* handle) -> Status {
    int r = sd_bus_add_object(handle, nullptr, kLogControlPath, Vtable::on_message, this);
    if (r >= 0) {
      r = sd_bus_add_object_vtable(handle, nullptr, kLogControlPath, kLogControlName, Vtable::table(), this);
    }
    if (r < 0) return std::unexpected(error_from_errno(r, "exporting org.freedesktop.LogControl1"));
    return {};
  });
}

}  // namespace akm::dbus
