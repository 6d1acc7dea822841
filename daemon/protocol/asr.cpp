#include "daemon/protocol/asr.h"

#include <algorithm>
#include <set>

#include "daemon/base/clean_text.h"
#include "daemon/base/cursor.h"
#include "daemon/base/endpoint.h"
#include "daemon/crypto/digest.h"
#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/cbor.h"
#include "daemon/protocol/suite.h"

namespace akm::protocol {
namespace {

Status check_member(const Member& member) {
  const std::string who = "member " + std::to_string(member.index);
  if (member.index >= limits::kMembers)
    return fail(Errc::invalid_argument, who + ": the highest index is 4095");
  if (member.node_id == 0) return fail(Errc::invalid_argument, who + ": node id 0");
  if (member.name.size() > limits::kNameBytes || !is_clean_text(member.name)) {
    return fail(Errc::invalid_argument, who + ": name");
  }
  if (member.endpoints.size() > limits::kEndpointsPerMember) {
    return fail(Errc::invalid_argument, who + ": too many endpoints");
  }
  for (const std::string& text : member.endpoints) {
    if (text.size() > limits::kEndpointTextBytes || !parse_endpoint(text)) {
      return fail(Errc::invalid_argument, who + ": endpoint");
    }
  }
  return {};
}

Status check_roster(const AsrDescription& asr) {
  if (asr.roster.size() < 2 || asr.roster.size() > limits::kMembers) {
    return fail(Errc::invalid_argument, "a roster has 2 to 4096 members");
  }
  std::set<NodeId> nodes;
  for (std::size_t i = 0; i < asr.roster.size(); ++i) {
    const Member& member = asr.roster[i];
    AKM_TRY(check_member(member));
    if (i > 0 && member.index <= asr.roster[i - 1].index) {
      return fail(Errc::invalid_argument, "the roster's indexes do not rise");
    }
    if (!nodes.insert(member.node_id).second)
      return fail(Errc::invalid_argument, "a node is in the roster twice");
  }
  return {};
}

// The shape of section 7, or nodes only.
Status check_kind(const AsrDescription& asr) {
  switch (asr.kind) {
    case Kind::provisioning:
      if (asr.roster.size() == 2 && asr.roster[0].index == kNmmIndex && asr.roster[0].role == Role::nmm &&
          asr.roster[1].index == kNodeIndex && asr.roster[1].role == Role::node) {
        return {};
      }
      return fail(Errc::invalid_argument, "the members of a provisioning ASR are its NMM (0) and a node (1)");
    case Kind::operational:
      if (std::ranges::all_of(asr.roster, [](const Member& member) { return member.role == Role::node; }))
        return {};
      return fail(Errc::invalid_argument, "an NMM is no member of an operational ASR");
  }
  return fail(Errc::invalid_argument, "unknown kind");
}

constexpr std::uint32_t kKeyTimeoutLongest_s = 30 * 86400;

}  // namespace

std::uint32_t key_timeout_s(const Policy& policy) {
  return std::min(policy.rekey_interval_s, kKeyTimeoutLongest_s) / 4 * 5 + kKeyTimeoutSlack_s;
}

const Member* AsrDescription::member(std::uint16_t index) const {
  const auto found = std::ranges::lower_bound(roster, index, {}, &Member::index);
  return found != roster.end() && found->index == index ? &*found : nullptr;
}

const Member* AsrDescription::member_by_node(NodeId node_id) const {
  const auto found = std::ranges::find(roster, node_id, &Member::node_id);
  return found != roster.end() ? &*found : nullptr;
}

Digest32 AsrDescription::roster_hash() const {
  crypto::Sha256 hash;
  std::array<std::uint8_t, 14> head{};
  Writer writer(head);
  writer.u64(id);
  writer.u32(generation);
  writer.u16(static_cast<std::uint16_t>(roster.size()));
  hash.update(head);
  for (const Member& member : roster) {
    std::array<std::uint8_t, 11> entry{};
    Writer entry_writer(entry);
    entry_writer.u16(member.index);
    entry_writer.u64(member.node_id);
    entry_writer.u8(static_cast<std::uint8_t>(member.role));
    hash.update(entry);
  }
  return hash.finish();
}

Status AsrDescription::check() const {
  if (id == 0) return fail(Errc::invalid_argument, "ASR id 0");
  if (generation == 0) return fail(Errc::invalid_argument, "generation 0");
  if (label.empty() || label.size() > limits::kLabelBytes || !is_clean_text(label)) {
    return fail(Errc::invalid_argument, "a label is 1 to 64 bytes of text");
  }
  AKM_TRY(parse_suite(static_cast<std::uint16_t>(suite)));
  AKM_TRY(check_roster(*this));
  AKM_TRY(check_kind(*this));
  return check_policy(policy);
}

}  // namespace akm::protocol
