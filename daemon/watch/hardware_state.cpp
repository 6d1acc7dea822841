#include "daemon/watch/hardware_state.h"

#include <array>

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/crypto/digest.h"

namespace akm::watch {
namespace {

using policy::DetectionClass;

constexpr std::string_view kEndorsementKey = "tpm-ek-name";
constexpr std::size_t kShownBytes = 8;

policy::Detection changed(const Change& change, Instant now) {
  const bool replaced = change.before != kAbsent && change.after != kAbsent;
  const bool identity = change.name == kEndorsementKey && replaced;
  return seen(identity ? DetectionClass::identity_changed : DetectionClass::hardware_changed, now, change);
}

void compare_with_last_run(const WatchMemory& memory, const Facts& facts, Instant now, const Tell& tell) {
  for (const keyring::HardwareSource source : keyring::all_hardware_sources()) {
    const std::string name(keyring::hardware_source_name(source));
    const std::string before = memory.value("hardware." + name);
    const auto found = facts.find(name);
    const std::string after = found == facts.end() ? std::string(kAbsent) : found->second;
    if (before.empty() || before == after) continue;
    policy::Detection detection = changed({name, before, after}, now);
    detection.at_most = policy::Grade::evidence;
    tell(detection);
  }
}

}  // namespace

Facts hardware_facts(const keyring::HardwareSources& sources) {
  Facts out;
  for (const auto& [name, value] : sources) {
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(value.data()), value.size());
    const crypto::Sha256Digest digest = crypto::sha256({bytes});
    out.emplace(name, "sha256 " + hex(std::span(digest).first(kShownBytes)));
  }
  return out;
}

Judge judge_hardware(WatchMemory& memory) {
  return [&memory, first = true](const Differences& differences, Instant now, const Tell& tell) mutable {
    if (first) compare_with_last_run(memory, differences.facts, now, tell);
    first = false;
    for (const Change& change : differences.changes) tell(changed(change, now));
    for (const auto& [name, value] : differences.facts) memory.set("hardware." + name, value);
    if (const Status saved = memory.save(); !saved) log::warning(saved.error().message());
  };
}

}  // namespace akm::watch
