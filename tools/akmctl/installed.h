#pragma once
// Which daemons of AKM this machine has, and what their configuration sets.
#include <array>
#include <string>

#include "daemon/service/config.h"
#include "dbus/proxy.h"
#include "tools/akmctl/machine.h"

namespace akm::ctl {

inline constexpr std::array kServices{dbus::Service::node, dbus::Service::nmm, dbus::Service::root};

/// Of its program; empty where it is not installed.
std::string program_path(const Machine& machine, dbus::Service service);
/// "/etc/akm/akmd.toml".
std::string config_path(dbus::Service service);
/// By name, drop-ins included; defaults are not there. Errors as service::values_in().
Result<service::Values> settings_of(const Machine& machine, dbus::Service service);
/// A text among them, or `standard`.
std::string text_in(const service::Values& values, const std::string& name, const std::string& standard);

}  // namespace akm::ctl
