#pragma once
// Errc <-> D-Bus error names. What comes back from the bus is an Error again, as the daemon made it.
#include <string_view>

#include "daemon/base/result.h"

struct sd_bus_message;

namespace akm::dbus {

/// The code of an error name of ours; internal for an unknown one.
Errc errc_of(std::string_view dbus_name);
/// Any error name and message as an Error: ours lose the prefix and the sentence, those of the bus are
/// translated (nobody owns the name: unreachable, no reply: timed_out, ...).
Error error_from(std::string_view dbus_name, std::string_view message);
/// Of an sd-bus call that failed with `negative_errno` without a reply.
Error error_from_errno(int negative_errno, std::string_view what);

}  // namespace akm::dbus
