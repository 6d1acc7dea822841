#include "daemon/protocol/refusal.h"

#include <array>

namespace akm::protocol {
namespace {

constexpr std::array<std::string_view, kRefusalCount> kNames{
    "too-short",         "too-long",           "bad-version",   "bad-type",       "bad-chain",
    "unknown-asr",       "unknown-generation", "unknown-epoch", "unknown-sender", "own-index",
    "stale-incarnation", "cloned-identity",    "replayed",      "not-authentic",  "malformed-payload",
    "other-addressee",   "not-expected",       "over-limit"};
static_assert(!kNames.back().empty(), "every refusal has its name, in the order of the enum");

}  // namespace

std::string_view refusal_name(Refusal refusal) {
  return kNames[static_cast<std::size_t>(refusal)];
}

}  // namespace akm::protocol
