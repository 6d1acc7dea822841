#include "dbus/arguments.h"

#include <algorithm>
#include <set>

#include "daemon/base/endpoint.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"

namespace akm::dbus {
namespace {

std::unexpected<Error> bad(std::string_view what, std::string_view rule) {
  return fail(Errc::invalid_argument, std::string(what).append(" ").append(rule));
}

bool is_policy_key(std::string_view key) {
  return !key.empty() && key.size() <= limits::kNameBytes && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

Result<std::string> read_name(Reader& in, std::string_view what) {
  AKM_ASSIGN(std::string name, in.text(limits::kTextBytes));
  if (name.empty() || name.size() > limits::kNameBytes) return bad(what, "must have 1 to 64 bytes");
  if (!is_plain_text(name)) return bad(what, "must not contain control characters");
  if (name.contains('/')) return bad(what, "must not contain '/'");
  if (name.front() == '.' || name.front() == '-') return bad(what, "must not start with '.' or '-'");
  return name;
}

Result<std::string> read_path(Reader& in, std::string_view what) {
  AKM_ASSIGN(std::string path, in.text(limits::kPathBytes));
  if (!path.starts_with('/')) return bad(what, "must be an absolute path");
  if (!is_plain_text(path)) return bad(what, "must not contain control characters");
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::string_view rest = std::string_view(path).substr(1);
  while (path.size() > 1) {
    const std::size_t end = rest.find('/');
    const std::string_view component = rest.substr(0, end);
    if (component.empty() || component == "." || component == "..")
      return bad(what, "must not contain '//', '.' or '..'");
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return path;
}

Result<std::string> read_token_uri(Reader& in) {
  constexpr std::string_view kWhat = "the token";
  AKM_ASSIGN(std::string uri, in.text(limits::kTokenUriBytes));
  if (!uri.starts_with("pkcs11:")) return bad(kWhat, "is named as in RFC 7512, pkcs11:token=NAME");
  if (!std::ranges::all_of(uri, [](char c) { return c > ' ' && c < '\x7f'; })) {
    return bad(kWhat, "must be named in printable ASCII");
  }
  // The bus would show it to everybody, and a module is code.
  for (const std::string_view key : {"pin-value=", "pin-source=", "module-path=", "module-name="}) {
    if (uri.contains(key)) return bad(kWhat, "must not be named with a PIN or a module");
  }
  return uri;
}

Result<std::vector<std::string>> read_endpoints(Reader& in) {
  AKM_ASSIGN(std::vector<std::string> texts, in.texts(limits::kEndpoints, limits::kEndpointBytes));
  std::set<Endpoint> seen;
  for (const std::string& text : texts) {
    const Result<Endpoint> endpoint = parse_endpoint(text);
    if (!endpoint || endpoint->port == 0)
      return bad("an endpoint", "must be \"ADDRESS:PORT\" with a numeric address");
    if (!seen.insert(*endpoint).second) return bad("an endpoint", "stands twice in the list");
  }
  return texts;
}

Result<std::vector<std::uint8_t>> read_hardware_value(Reader& in) {
  AKM_ASSIGN(std::vector<std::uint8_t> value, in.bytes(limits::kHardwareValueBytes));
  if (!value.empty() && value.size() != limits::kHardwareValueBytes)
    return bad("the hardware value", "must have 32 bytes or none");
  return value;
}

Result<std::vector<std::uint64_t>> read_node_ids(Reader& in) {
  AKM_ASSIGN(std::vector<std::uint64_t> ids, in.u64s(limits::kNodesPerAsr));
  if (ids.empty()) return bad("the list of nodes", "must not be empty");
  std::set<std::uint64_t> seen;
  for (const std::uint64_t id : ids) {
    if (id == 0) return bad("a node id", "must not be 0");
    if (!seen.insert(id).second) return bad("a node", "stands twice in the list");
  }
  return ids;
}

Result<std::uint64_t> read_id(Reader& in, std::string_view what) {
  AKM_ASSIGN(const std::uint64_t id, in.u64());
  if (id == 0) return bad(what, "must not be 0");
  return id;
}

Result<std::map<std::string, std::string>> read_policy(Reader& in) {
  AKM_ASSIGN(auto policy, in.text_map(limits::kPolicyFields, limits::kPolicyTextBytes));
  for (const auto& [key, value] : policy) {
    if (!is_policy_key(key)) return bad("a policy field", "has a name of a-z, 0-9 and '_'");
    if (!is_plain_text(value)) return bad("a policy value", "must not contain control characters");
  }
  return policy;
}

Result<UniqueFd> read_sealed_fd(Reader& in, std::size_t limit_bytes) {
  AKM_ASSIGN(UniqueFd fd, in.fd());
  AKM_ASSIGN([[maybe_unused]] const std::size_t size, check_sealed_memfd(fd.get(), limit_bytes));
  return fd;
}

}  // namespace akm::dbus
