#include "tools/akmctl/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "daemon/base/hex.h"

namespace akm::ctl {
namespace {

constexpr std::size_t kShortestStart = 4;
constexpr std::size_t kWholeId = 16;

std::vector<Named> those(const std::vector<Named>& all, const std::function<bool(const Named&)>& wanted) {
  std::vector<Named> out;
  std::ranges::copy_if(all, std::back_inserter(out), wanted);
  return out;
}

}  // namespace

Result<std::uint64_t> resolve(std::string_view text, std::string_view kind, const std::vector<Named>& all) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  std::vector<Named> found =
      those(all, [&](const Named& n) { return n.name == text || hex_id(n.id) == lower; });
  if (found.empty() && lower.size() >= kShortestStart) {
    found = those(all, [&](const Named& n) { return hex_id(n.id).starts_with(lower); });
  }
  if (found.size() == 1) return found.front().id;
  if (found.empty()) return fail(Errc::not_found, fmt::format("no {} has the name or id '{}'", kind, text));
  std::string candidates;
  for (const Named& n : found)
    candidates += fmt::format("{}{} ({})", candidates.empty() ? "" : ", ", hex_id(n.id), n.name);
  return fail(Errc::invalid_argument,
              fmt::format("'{}' may be any of these, give the id: {}", text, candidates));
}

Result<std::uint64_t> resolve_node(std::string_view text, const std::vector<nmm::NodeSnapshot>& nodes) {
  std::vector<Named> all;
  all.reserve(nodes.size());
  for (const nmm::NodeSnapshot& node : nodes) all.push_back({node.node_id, node.name});
  return resolve(text, "node", all);
}

Result<std::uint64_t> resolve_asr(std::string_view text, const std::vector<AsrSnapshot>& asrs) {
  // One that is being deleted keeps its name from nobody.
  std::vector<Named> all;
  std::vector<Named> living;
  for (const AsrSnapshot& asr : asrs) {
    all.push_back({asr.id, asr.label});
    if (asr.phase != "retiring") living.push_back(all.back());
  }
  auto found = resolve(text, "relationship", living);
  if (found || found.error().code != Errc::not_found) return found;
  found = resolve(text, "relationship", all);
  // A whole id is taken as it is: an NMM may be asked to have one erased that it has no record of.
  const auto id = parse_hex_id(text);
  if (!found && found.error().code == Errc::not_found && id && text.size() == kWholeId) return *id;
  return found;
}

const char* program_of(dbus::Service service) {
  switch (service) {
    case dbus::Service::node:
      return "akmd";
    case dbus::Service::nmm:
      return "akm-nmmd";
    case dbus::Service::root:
      return "akm-rootd";
  }
  return "";
}

const char* short_name(dbus::Service service) {
  switch (service) {
    case dbus::Service::node:
      return "node";
    case dbus::Service::nmm:
      return "nmm";
    case dbus::Service::root:
      return "root";
  }
  return "";
}

}  // namespace akm::ctl
