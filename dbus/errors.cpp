#include "dbus/errors.h"

#include <systemd/sd-bus.h>

#include <array>
#include <cerrno>
#include <string>

#include "dbus/limits.h"
#include "dbus/message.h"

namespace akm::dbus {
namespace {

struct Foreign {
  std::string_view name;
  Errc code;
};

// Names of the bus, of sd-bus and of polkit that a caller of ours can get. Anything else is `internal` with
// its name.
constexpr std::array kForeign{
    Foreign{"org.freedesktop.DBus.Error.ServiceUnknown", Errc::unreachable},
    Foreign{"org.freedesktop.DBus.Error.NameHasNoOwner", Errc::unreachable},
    Foreign{"org.freedesktop.DBus.Error.Disconnected", Errc::unreachable},
    Foreign{"org.freedesktop.DBus.Error.NoServer", Errc::unreachable},
    Foreign{"org.freedesktop.DBus.Error.NoReply", Errc::timed_out},
    Foreign{"org.freedesktop.DBus.Error.Timeout", Errc::timed_out},
    Foreign{"org.freedesktop.DBus.Error.TimedOut", Errc::timed_out},
    Foreign{"org.freedesktop.DBus.Error.AccessDenied", Errc::not_authorized},
    Foreign{"org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", Errc::not_authorized},
    Foreign{"org.freedesktop.DBus.Error.InvalidArgs", Errc::invalid_argument},
    Foreign{"org.freedesktop.DBus.Error.UnknownMethod", Errc::not_supported},
    Foreign{"org.freedesktop.DBus.Error.UnknownInterface", Errc::not_supported},
    Foreign{"org.freedesktop.DBus.Error.UnknownProperty", Errc::not_supported},
    Foreign{"org.freedesktop.DBus.Error.UnknownObject", Errc::not_found},
    Foreign{"org.freedesktop.DBus.Error.FileNotFound", Errc::not_found},
    Foreign{"org.freedesktop.DBus.Error.LimitsExceeded", Errc::limit_exceeded},
    Foreign{"System.Error.ECONNRESET", Errc::unreachable},
    Foreign{"System.Error.ENOTCONN", Errc::unreachable},
    Foreign{"System.Error.ETIMEDOUT", Errc::timed_out},
};

constexpr std::string_view kOurs = "org.akm.Error.";

bool is_ours(std::string_view name, Errc& code) {
  if (!name.starts_with(kOurs)) return false;
  for (std::size_t i = 0; i < kErrcCount; ++i) {
    code = static_cast<Errc>(i);
    if (errc_dbus_name(code) == name) return true;
  }
  return false;
}

}  // namespace

Errc errc_of(std::string_view dbus_name) {
  Errc code{};
  return is_ours(dbus_name, code) ? code : Errc::internal;
}

Error error_from(std::string_view dbus_name, std::string_view message) {
  const std::string text = clean_text(message, limits::kTextBytes);
  Errc code{};
  if (is_ours(dbus_name, code)) {
    // Error::message() is "sentence: detail"; the sentence comes back from the code.
    std::string_view detail = text;
    const std::string_view sentence = errc_sentence(code);
    if (detail.starts_with(sentence)) detail.remove_prefix(sentence.size());
    if (detail.starts_with(": ")) detail.remove_prefix(2);
    return Error{code, std::string(detail)};
  }
  // One name for three causes: no answer in time, a peer that went over the call (dbus-daemon's text), which
  // may have carried it out, and a bus that has gone (sd-bus's text).
  if (dbus_name == "org.freedesktop.DBus.Error.NoReply") {
    if (text.contains("disconnected")) return Error{Errc::interrupted, text};
    if (text.contains("terminated")) return Error{Errc::unreachable, text};
  }
  for (const Foreign& foreign : kForeign) {
    if (foreign.name == dbus_name) return Error{foreign.code, text};
  }
  return Error{Errc::internal, clean_text(dbus_name, limits::kTextBytes) + ": " + text};
}

Error error_from_errno(int negative_errno, std::string_view what) {
  const int number = negative_errno < 0 ? -negative_errno : negative_errno;
  Errc code = Errc::io_failed;
  switch (number) {
    case ECONNRESET:
    case ENOTCONN:
    case ECONNREFUSED:
    case ENOENT:
    case EPIPE:
    case EHOSTDOWN:
    case ESHUTDOWN:
      code = Errc::unreachable;
      break;
    case ETIMEDOUT:
      code = Errc::timed_out;
      break;
    case EACCES:
    case EPERM:
      code = Errc::not_authorized;
      break;
    case EBADMSG:
      code = Errc::malformed;
      break;
    case ENOBUFS:
      code = Errc::limit_exceeded;
      break;
    default:
      break;
  }
  return fail_errno(code, std::string(what), number).error();
}

}  // namespace akm::dbus
