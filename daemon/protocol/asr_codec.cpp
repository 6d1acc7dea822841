#include "daemon/protocol/asr_codec.h"

#include <algorithm>
#include <array>

#include "daemon/base/endpoint.h"
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
constexpr std::array<std::string_view, 2> kAttestationNames{"none", "required"};

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
  } else if (key == "attestation") {
    read_name(reader, kAttestationNames, out.attestation);
  } else if (key == "multicast_group") {
    out.multicast_group = reader.text(limits::kEndpointTextBytes);
  } else if (key == "rotate_provisioning_after_install") {
    out.rotate_provisioning_after_install = reader.boolean();
  } else {
    reader.skip();
  }
}

void write_member(CborWriter& writer, const Member& member) {
  writer.array(5);
  writer.unsigned_integer(member.index);
  writer.unsigned_integer(member.node_id);
  writer.unsigned_integer(static_cast<std::uint64_t>(member.role));
  writer.text(member.name);
  writer.array(member.endpoints.size());
  for (const std::string& endpoint : member.endpoints) writer.text(endpoint);
}

Member read_member(CborReader& reader) {
  if (reader.array(5) != 5) reader.refuse("roster: a member has five items");
  Member out;
  out.index = static_cast<std::uint16_t>(reader.unsigned_integer(limits::kMembers - 1));
  out.node_id = reader.unsigned_integer();
  out.role = static_cast<Role>(reader.unsigned_integer(static_cast<std::uint64_t>(Role::node)));
  out.name = reader.text(limits::kNameBytes);
  for (std::size_t left = reader.array(limits::kEndpointsPerMember); left > 0 && reader.ok(); --left) {
    out.endpoints.emplace_back(reader.text(limits::kEndpointTextBytes));
  }
  return out;
}

template <std::size_t N>
SecretBytes<N> read_secret(CborReader& reader) {
  const auto bytes = reader.bytes(N, N);
  return bytes.size() == N ? SecretBytes<N>::copy_of(bytes.template first<N>()) : SecretBytes<N>();
}

void read_chains(CborReader& reader, Asr& out) {
  if (reader.array(kChainCount) != kChainCount) reader.refuse("chains: three of them");
  for (ChainState& chain : out.chains) {
    if (reader.array(2) != 2) reader.refuse("chains: a pair each");
    chain.pdv = read_secret<128>(reader);
    chain.seed = read_secret<32>(reader);
  }
}

// False for an unknown key, whose value is skipped.
bool read_asr_field(CborReader& reader, std::string_view key, Asr& out) {
  AsrDescription& description = out.description;
  if (key == "id") {
    description.id = reader.unsigned_integer();
  } else if (key == "kind") {
    description.kind =
        static_cast<Kind>(reader.unsigned_integer(static_cast<std::uint64_t>(Kind::operational)));
  } else if (key == "label") {
    description.label = reader.text(limits::kLabelBytes, 1);
  } else if (key == "suite") {
    const auto suite = parse_suite(reader.unsigned_integer());
    if (suite) {
      description.suite = *suite;
    } else {
      reader.refuse("ASR: unknown suite");
    }
  } else if (key == "chains") {
    read_chains(reader, out);
  } else if (key == "policy") {
    description.policy = read_policy(reader);
  } else if (key == "roster") {
    const std::size_t members = reader.array(limits::kMembers);
    description.roster.reserve(members);
    for (std::size_t i = 0; i < members && reader.ok(); ++i)
      description.roster.push_back(read_member(reader));
  } else if (key == "generation") {
    description.generation = static_cast<std::uint32_t>(reader.unsigned_integer(UINT32_MAX));
  } else {
    reader.skip();
    return false;
  }
  return true;
}

}  // namespace

void write_policy(CborWriter& writer, const Policy& policy) {
  constexpr std::size_t kFields = 15;
  const bool multicast = policy.topology == Topology::multicast;
  const bool attested = policy.attestation != Attestation::none;
  writer.map(kFields + (multicast ? 1 : 0) + (attested ? 1 : 0));
  writer.text("quorum");
  writer.text(kQuorumNames[static_cast<std::size_t>(policy.quorum)]);
  bool topology_written = false;
  for_each_number(policy, [&](const Bounds& bounds, std::uint64_t value) {
    // "topology" stands among the names of 8 bytes, behind "fsset_ms" and "grace_ms".
    if (!topology_written && bounds.name.size() > std::string_view("topology").size()) {
      writer.text("topology");
      writer.text(kTopologyNames[static_cast<std::size_t>(policy.topology)]);
      topology_written = true;
      if (attested) {  // of 11 bytes
        writer.text("attestation");
        writer.text(kAttestationNames[static_cast<std::size_t>(policy.attestation)]);
      }
      if (multicast) {  // of 15 bytes: the next numbers have longer names
        writer.text("multicast_group");
        writer.text(policy.multicast_group);
      }
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
  if (reader.ok() && !check_policy(out)) reader.refuse("policy: its fields do not go together");
  return out;
}

namespace {

/// A group address belongs to topology multicast, and that to it.
Status check_group(const Policy& policy) {
  if (policy.topology != Topology::multicast) {
    if (policy.multicast_group.empty()) return {};
    return fail(Errc::invalid_argument, "policy: multicast_group is for topology multicast");
  }
  const auto group = parse_endpoint(policy.multicast_group);
  if (group && group->is_multicast()) return {};
  return fail(Errc::invalid_argument,
              "policy: topology multicast needs multicast_group, such as 239.192.0.1:7400");
}

}  // namespace

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
  if (static_cast<std::size_t>(policy.attestation) >= kAttestationNames.size())
    return fail(Errc::invalid_argument, "attestation");
  return check_group(policy);
}

void write_asr(CborWriter& writer, const Asr& asr) {
  ChainsAt chains{};
  std::ranges::transform(asr.chains, chains.begin(), [](const ChainState& chain) { return &chain; });
  write_asr(writer, asr.description, chains);
}

void write_asr(CborWriter& writer, const AsrDescription& description, const ChainsAt& chains) {
  writer.map(8);
  writer.text("id");
  writer.unsigned_integer(description.id);
  writer.text("kind");
  writer.unsigned_integer(static_cast<std::uint64_t>(description.kind));
  writer.text("label");
  writer.text(description.label);
  writer.text("suite");
  writer.unsigned_integer(static_cast<std::uint64_t>(description.suite));
  writer.text("chains");
  writer.array(kChainCount);
  for (const ChainState* chain : chains) {
    writer.array(2);
    writer.bytes(chain->pdv.reveal());
    writer.bytes(chain->seed.reveal());
  }
  writer.text("policy");
  write_policy(writer, description.policy);
  writer.text("roster");
  writer.array(description.roster.size());
  for (const Member& member : description.roster) write_member(writer, member);
  writer.text("generation");
  writer.unsigned_integer(description.generation);
}

Asr read_asr(CborReader& reader) {
  Asr out;
  unsigned seen = 0;
  for (std::size_t pairs = reader.map(); pairs > 0 && reader.ok(); --pairs) {
    seen += read_asr_field(reader, reader.key(), out) ? 1U : 0U;
  }
  constexpr unsigned kFields = 8;
  if (seen != kFields) reader.refuse("ASR: a field is missing");
  if (reader.ok() && !out.description.check()) reader.refuse("ASR: not valid");
  return out;
}

}  // namespace akm::protocol
