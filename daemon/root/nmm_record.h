#pragma once
// What the Root knows of its relationship with one NMM. No secrets: those are in the database. The records
// are durable before anything is sent that depends on them.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/store/sealed_store.h"

namespace akm::root {

inline constexpr std::size_t kNmms = 4096;
/// Relationships with machines that were replaced, of one NMM: the oldest are given up.
inline constexpr std::size_t kFencedPerNmm = 8;

enum class NmmState : std::uint8_t { prepared, active };
inline constexpr std::size_t kNmmStateCount = static_cast<std::size_t>(NmmState::active) + 1;

struct NmmRecord {
  protocol::NodeId nmm_id = 0;
  std::string name;
  NmmState state = NmmState::prepared;
  protocol::AsrId asr_id = 0;  // another one with each machine
  std::uint32_t serial = 0;    // of its credentials: rises with each preparation and replacement
  std::uint32_t activated_serial = 0;
  protocol::Digest32 hardware_value{};
  std::vector<std::string> endpoints;
  std::string peer;                     // where it was heard
  std::string version;                  // of its software
  std::uint64_t prepared_at_s = 0;      // on the running clock, for the bundle's expiry
  std::set<std::uint32_t> secrets;      // numbers of its provisioning root secrets in the database
  bool issue_pending = false;           // it has not confirmed them
  bool restore = false;                 // it gets the records of the machine before it
  bool policy_pending = false;          // it has not confirmed the present policy
  protocol::Digest32 told{};            // of the records that it has confirmed last; zeros: of none
  std::uint32_t incarnation_floor = 0;  // above what the machine before it has counted
  std::map<protocol::AsrId, std::uint32_t> fenced;  // relationships with machines before it: their serials

  [[nodiscard]] std::vector<std::uint8_t> encode() const;
  /// state_corrupt.
  static Result<NmmRecord> decode(std::span<const std::uint8_t> bytes);
  bool operator==(const NmmRecord&) const = default;
};

/// `made` was made from `before`, and meanwhile the record became `present`: what came to be known goes into
/// it. busy when the serial moved; limit_exceeded.
Status merge_into(NmmRecord& made, const NmmRecord& before, const NmmRecord& present);

/// All of them, in memory and in the sealed store. When the store refuses, memory is unchanged.
class NmmBook {
 public:
  explicit NmmBook(store::SealedStore& store) : store_(store) {}

  /// A record that does not open or decode is kept and named in the result.
  Result<std::vector<std::string>> load();
  [[nodiscard]] const std::map<protocol::NodeId, NmmRecord>& all() const { return records_; }
  [[nodiscard]] const NmmRecord* find(protocol::NodeId nmm_id) const;
  [[nodiscard]] const NmmRecord* by_name(std::string_view name) const;
  [[nodiscard]] const NmmRecord* by_asr(protocol::AsrId asr_id) const;
  /// The NMM whose former machine has this relationship.
  [[nodiscard]] const NmmRecord* by_fenced(protocol::AsrId asr_id) const;
  /// limit_exceeded, already_exists (another one's name), errors of the store.
  Status put(NmmRecord record);

 private:
  store::SealedStore& store_;
  std::map<protocol::NodeId, NmmRecord> records_;
};

}  // namespace akm::root
