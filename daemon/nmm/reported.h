#pragma once
// Records as the Root gets them and gives them back (section 7, "The Root").
#include "daemon/nmm/registry.h"
#include "daemon/protocol/reported_record.h"

namespace akm::nmm {

protocol::ReportedNode reported(const NodeRecord& record);
protocol::ReportedAsr reported(const AsrRecord& record);

/// What a replacement begins with.
NodeRecord restored(const protocol::ReportedNode& node);
/// Names and endpoints of members are those of the nodes in `registry`; all members count as having the
/// generation, and say so themselves soon. not_found naming a member without a record; invalid_argument.
Result<AsrRecord> restored(const protocol::ReportedAsr& asr, const Registry& registry);

}  // namespace akm::nmm
