#include "daemon/protocol/asr_codec.h"

#include <algorithm>
#include <array>

#include "daemon/protocol/suite.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kDayS = 86400;
constexpr std::uint64_t kYearS = 365 * kDayS;
constexpr std::uint64_t kMinuteMs = 60 * 1000;

// The smallest values are those with which the simulator and the tests still agree; the largest keep timers
// sane.
struct Bounds {
  std::string_view name;
  std::uint64_t least;
  std::uint64_t most;
};

// Every number of a policy with its name and bounds, in wire order (shorter names first).
template <typename P, typename F>
void for_each_number(P& policy, F&& visit) {
  visit(Bounds{"nnrt_ms", 10, 10 * kMinuteMs}, policy.nnrt_ms);
  visit(Bounds{"nset_ms", 20, 60 * kMinuteMs}, policy.nset_ms);
  visit(Bounds{"fbset_ms", 20, 60 * kMinuteMs}, policy.fbset_ms);
  visit(Bounds{"fsset_ms", 20, 60 * kMinuteMs}, policy.fsset_ms);
  visit(Bounds{"grace_ms", 0, 10 * kMinuteMs}, policy.grace_ms);
  visit(Bounds{"rekey_interval_s", 1, kYearS}, policy.rekey_interval_s);
  visit(Bounds{"renew_interval_s", 1, 10 * kYearS}, policy.renew_interval_s);
  visit(Bounds{"control_deadline_s", 1, kDayS}, policy.control_deadline_s);
  visit(Bounds{"install_deadline_s", 1, kDayS}, policy.install_deadline_s);
  visit(Bounds{"rekey_after_frames", 16, limits::kFramesPerKey / 2}, policy.rekey_after_frames);
  visit(Bounds{"heartbeat_interval_s", 1, kDayS}, policy.heartbeat_interval_s);
  visit(Bounds{"resync_min_interval_s", 1, kDayS}, policy.resync_min_interval_s);
}

constexpr std::array<std::string_view, 2> kQuorumNames{"all", "majority"};
constexpr std::array<std::string_view, 4> kTopologyNames{"auto", "mesh", "star", "multicast"};

template <typename Enum, std::size_t N>
void read_name(CborReader& reader, const std::array<std::string_view, N>& names, Enum& out) {
  const auto found = std::ranges::find(names, reader.text(16));
  if (found == names.end()) {
    reader.refuse("policy: unknown choice");
    return;
  }
  out = static_cast<Enum>(found - names.begin());
}

void read_policy_field(CborReader& reader, std::string_view key, Policy& out) {
  bool known = false;
  for_each_number(out, [&](const Bounds& bounds, auto& field) {
    if (key != bounds.name) return;
    known = true;
    const std::uint64_t value = reader.unsigned_integer(bounds.most);
    if (value < bounds.least) reader.refuse("policy: out of bounds");
    field = static_cast<std::remove_reference_t<decltype(field)>>(value);
  });
  if (known) return;
  if (key == "quorum") {
    read_name(reader, kQuorumNames, out.quorum);
  } else if (key == "topology") {
    read_name(reader, kTopologyNames, out.topology);
  } else if (key == "rotate_provisioning_after_install") {
    out.rotate_provisioning_after_install = reader.boolean();
  } else {
    reader.skip();
  }
}

}  // namespace

void write_policy(CborWriter& writer, const Policy& policy) {
  constexpr std::size_t kFields = 15;
  writer.map(kFields);
  writer.text("quorum");
  writer.text(kQuorumNames[static_cast<std::size_t>(policy.quorum)]);
  bool topology_written = false;
  for_each_number(policy, [&](const Bounds& bounds, std::uint64_t value) {
    // "topology" stands among the names of 8 bytes, behind "fsset_ms" and "grace_ms".
    if (!topology_written && bounds.name.size() > std::string_view("topology").size()) {
      writer.text("topology");
      writer.text(kTopologyNames[static_cast<std::size_t>(policy.topology)]);
      topology_written = true;
    }
    writer.text(bounds.name);
    writer.unsigned_integer(value);
  });
  writer.text("rotate_provisioning_after_install");
  writer.boolean(policy.rotate_provisioning_after_install);
}

Policy read_policy(CborReader& reader) {
  Policy out;
  for (std::size_t pairs = reader.map(); pairs > 0 && reader.ok(); --pairs) {
    read_policy_field(reader, reader.key(), out);
  }
  return out;
}

Status check_policy(const Policy& policy) {
  std::string_view wrong;
  for_each_number(policy, [&](const Bounds& bounds, std::uint64_t value) {
    if (value < bounds.least || value > bounds.most) wrong = bounds.name;
  });
  if (!wrong.empty())
    return fail(Errc::invalid_argument, "policy: " + std::string(wrong) + " is out of bounds");
  if (static_cast<std::size_t>(policy.quorum) >= kQuorumNames.size())
    return fail(Errc::invalid_argument, "quorum");
  if (static_cast<std::size_t>(policy.topology) >= kTopologyNames.size())
    return fail(Errc::invalid_argument, "topology");
  return {};
}

}  // namespace akm::protocol
