#include "tools/akmctl/installed.h"

#include "tools/akmctl/names.h"

namespace akm::ctl {

std::string program_path(const Machine& machine, dbus::Service service) {
  for (const char* folder : {"/usr/sbin/", "/usr/local/sbin/", "/usr/bin/"}) {
    const std::string path = std::string(folder) + program_of(service);
    if (machine.exists(path)) return machine.path(path);
  }
  return {};
}

std::string config_path(dbus::Service service) {
  return std::string("/etc/akm/") + program_of(service) + ".toml";
}

Result<service::Values> settings_of(const Machine& machine, dbus::Service service) {
  return service::values_in(machine.path(config_path(service)));
}

std::string text_in(const service::Values& values, const std::string& name, const std::string& standard) {
  const auto at = values.find(name);
  const auto* text = at == values.end() ? nullptr : std::get_if<std::string>(&at->second);
  return text == nullptr ? standard : *text;
}

}  // namespace akm::ctl
