#include "daemon/service/direct_settings.h"

#include <string>
#include <utility>
#include <vector>

namespace akm::service {

void add_direct_settings(Schema& schema) {
  using Texts = std::vector<std::string>;
  Schema own{
      {"direct.exec",
       Texts{},
       "Programs that reach another machine's bus, as \"/usr/bin/ssh\": run as this daemon, for callers of "
       "uid 0 "
       "only.",
       0,
       0,
       {}},
      {"direct.hosts", Texts{}, "Hosts that may be reached with them; empty is any.", 0, 0, {}},
      {"direct.tcp",
       false,
       "Allow a bus over TCP, which neither authenticates nor hides anything by itself.",
       0,
       0,
       {}},
      {"direct.confirm",
       std::string("remote"),
       "When an operator compares fingerprints before credentials leave: remote is over all but Unix "
       "sockets.",
       0,
       0,
       {"always", "remote", "never"}},
  };
  for (Setting& setting : own) schema.push_back(std::move(setting));
}

Result<DirectSettings> direct_settings(const Config& config) {
  DirectSettings out;
  out.addresses.exec = config.list("direct.exec");
  for (const std::string& program : out.addresses.exec) {
    const bool plain = program.starts_with('/') && program.find_first_of(",;%= \t\n") == std::string::npos;
    if (!plain) return std::unexpected(config.invalid("direct.exec", "\"" + program + "\" is no plain path"));
  }
  out.addresses.hosts = config.list("direct.hosts");
  out.addresses.tcp = config.boolean("direct.tcp");
  const std::string& confirm = config.text("direct.confirm");
  if (confirm == "always") out.confirm = DirectConfirm::always;
  if (confirm == "never") out.confirm = DirectConfirm::never;
  return out;
}

}  // namespace akm::service
