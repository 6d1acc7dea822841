#include "dbus/direct_address.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "daemon/base/endpoint.h"
#include "dbus/connection.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

constexpr std::string_view kBridge = "systemd-stdio-bridge";
constexpr std::string_view kBusPath = "--bus-path=unix:path=/";
constexpr std::size_t kArgumentsMost = 8;
constexpr std::size_t kHostBytes = 255;

bool is_one_of(std::string_view text, std::string_view characters) {
  return !text.empty() && std::ranges::all_of(text, [characters](char c) {
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return alphanumeric || characters.find(c) != std::string_view::npos;
  });
}

/// [USER@]HOST. A "-" in front would be an option of the program that is run.
bool is_target(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::string_view user = at == std::string_view::npos ? "" : text.substr(0, at);
  const std::string_view host = at == std::string_view::npos ? text : text.substr(at + 1);
  if (at != std::string_view::npos && (!is_one_of(user, "._-") || user.starts_with('-'))) return false;
  return is_one_of(host, ".-:") && !host.starts_with('-') && text.size() <= kHostBytes;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), port);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && port > 0 && port <= 65535;
}

bool is_bus_path(std::string_view text) {
  return text.starts_with(kBusPath) && is_one_of(text.substr(kBusPath.size()), "._-/");
}

/// KEY=VALUE pairs in the order that they have to come in.
class Pairs {
 public:
  explicit Pairs(std::string_view text) : rest_(text) {}
  std::optional<std::string_view> take(std::string_view key) {
    if (!rest_.starts_with(key) || rest_.size() <= key.size() || rest_[key.size()] != '=')
      return std::nullopt;
    const std::string_view whole = rest_.substr(0, rest_.find(','));
    rest_.remove_prefix(std::min(whole.size() + 1, rest_.size()));
    return whole.substr(key.size() + 1);
  }
  [[nodiscard]] bool over() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

struct Exec {
  std::string program, port, target, bus_path;
};

std::unexpected<Error> bad_form() {
  return fail(Errc::invalid_argument,
              "a bus address is system, session, unix:path=/..., unix:abstract=..., ssh:[USER@]HOST[:PORT], "
              "unixexec: in the form of ssh, or tcp:host=...,port=...");
}

Result<Exec> parse_exec(std::string_view text) {
  Pairs pairs(text);
  Exec out;
  const auto program = pairs.take("path");
  if (!program) return bad_form();
  out.program = *program;
  std::vector<std::string_view> arguments;
  while (!pairs.over()) {
    const auto argument = pairs.take("argv" + std::to_string(arguments.size() + 1));
    if (!argument || arguments.size() == kArgumentsMost) return bad_form();
    arguments.push_back(*argument);
  }
  std::size_t at = 0;
  const auto next = [&]() -> std::string_view { return at < arguments.size() ? arguments[at++] : ""; };
  if (next() != "-xT") return bad_form();
  std::string_view argument = next();
  if (argument == "-p") {
    out.port = next();
    if (!is_port(out.port)) return bad_form();
    argument = next();
  }
  if (argument != "--") return bad_form();
  out.target = next();
  if (!is_target(out.target) || next() != kBridge) return bad_form();
  if (at < arguments.size()) {
    out.bus_path = next();
    if (!is_bus_path(out.bus_path)) return bad_form();
  }
  if (at != arguments.size()) return bad_form();
  return out;
}

Result<Exec> parse_ssh(std::string_view text, const DirectPolicy& policy) {
  Exec out;
  const std::size_t colon = text.find(':');
  out.target = text.substr(0, colon);
  if (colon != std::string_view::npos) out.port = text.substr(colon + 1);
  const bool sound = is_target(out.target) && (colon == std::string_view::npos || is_port(out.port));
  if (!sound) return bad_form();
  if (!policy.exec.empty()) out.program = policy.exec.front();
  return out;
}

Result<DirectAddress> allowed(const Exec& exec, const DirectPolicy& policy) {
  if (std::ranges::find(policy.exec, exec.program) == policy.exec.end())
    return fail(Errc::refused_by_policy, "direct.exec does not name this program");
  const std::string host = exec.target.substr(exec.target.find('@') + 1);
  if (!policy.hosts.empty() && std::ranges::find(policy.hosts, host) == policy.hosts.end())
    return fail(Errc::refused_by_policy, "direct.hosts does not name this host");
  std::vector<std::string> arguments{"-xT"};
  if (!exec.port.empty()) arguments.insert(arguments.end(), {"-p", exec.port});
  arguments.insert(arguments.end(), {"--", exec.target, std::string(kBridge)});
  if (!exec.bus_path.empty()) arguments.push_back(exec.bus_path);
  std::string text = "unixexec:path=" + exec.program;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    text += ",argv" + std::to_string(i + 1) + "=" + arguments[i];
  return DirectAddress{std::move(text), false};
}

Result<DirectAddress> tcp(std::string_view text, const DirectPolicy& policy) {
  Pairs pairs(text);
  const auto host = pairs.take("host");
  const auto port = pairs.take("port");
  if (!host || !port || !pairs.over() || !is_port(*port)) return bad_form();
  // Numeric: sd-bus would resolve a name on the loop thread.
  const bool v6 = host->find(':') != std::string_view::npos;
  const std::string text_of_host(*host);
  if (!parse_endpoint((v6 ? "[" + text_of_host + "]" : text_of_host) + ":" + std::string(*port)))
    return bad_form();
  if (!policy.tcp) return fail(Errc::refused_by_policy, "direct.tcp is off");
  return DirectAddress{"tcp:host=" + text_of_host + ",port=" + std::string(*port), false};
}

}  // namespace

bool needs_root(std::string_view text) {
  return text.starts_with("ssh:") || text.starts_with("unixexec:") || text.starts_with("tcp:");
}

Result<DirectAddress> resolve_direct_address(std::string_view text, const DirectPolicy& policy) {
  if (text.size() > limits::kAddressBytes) return bad_form();
  if (text.starts_with("ssh:")) {
    AKM_ASSIGN(const Exec exec, parse_ssh(text.substr(4), policy));
    return allowed(exec, policy);
  }
  if (text.starts_with("unixexec:")) {
    AKM_ASSIGN(const Exec exec, parse_exec(text.substr(9)));
    return allowed(exec, policy);
  }
  if (text.starts_with("tcp:")) return tcp(text.substr(4), policy);
  const auto local = resolve_address(text);
  if (!local) return bad_form();
  return DirectAddress{*local, true};
}

}  // namespace akm::dbus
