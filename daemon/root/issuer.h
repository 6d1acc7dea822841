#pragma once
// Makes an NMM's credentials (section 7, "The Root"): its record here and in the database, the Root's side of
// the relationship, the bundle. A replacement gets the same id, a relationship and a root secret of its own,
// and the one before it is fenced off from that moment.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/protocol/bundle.h"
#include "daemon/root/root_core.h"
#include "daemon/service/bundle_maker.h"

namespace akm::root {

/// Above what a lost machine may have counted since it was heard last.
inline constexpr std::uint32_t kIncarnationLeap = std::uint32_t{1} << 20;

class Issuer {
 public:
  explicit Issuer(RootCore& core) : core_(core) {}

  using BundleReply = service::BundleReply;
  /// A new NMM, the next serial of a known one, or (nmm_id) one that stands alone and is to be adopted.
  void prepare(const ControlPort::Prepare& what, const std::string& who, BundleReply reply);
  void replace(protocol::NodeId nmm_id, const std::vector<std::uint8_t>& hardware_value,
               const std::string& who, BundleReply reply);

 private:
  Result<NmmRecord> next_record(const ControlPort::Prepare& what);
  Result<NmmRecord> replacement(protocol::NodeId nmm_id, const std::vector<std::uint8_t>& hardware_value);
  /// `number` of a secret that is drawn and stored with the record; 0: none.
  void store(NmmRecord record, std::uint32_t number, const std::string& who, BundleReply reply);
  /// `before`: what the record was made from, none of a new one.
  Result<protocol::BundleContent> finish(NmmRecord record, const std::optional<NmmRecord>& before);
  /// One change of an NMM at a time: busy.
  [[nodiscard]] Status check_idle(const NmmRecord& record) const;
  [[nodiscard]] Status check(std::string_view name, const std::vector<std::uint8_t>& hardware_value,
                             const std::vector<std::string>& endpoints) const;
  [[nodiscard]] Result<protocol::AsrId> new_asr_id();

  RootCore& core_;
  std::map<protocol::NodeId, std::string> changing_;  // names; with the database's thread now
};

}  // namespace akm::root
