#pragma once
// Reports of NMMs as rows of the database, and back (section 7, "The Root"). These run where the database is.
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "daemon/protocol/root_body.h"
#include "daemon/store/config_database.h"

namespace akm::root {

/// One row of kind nmm has what is acknowledged as its sequence. stale_generation when the NMM knows less
/// than it has reported; errors of the database.
Status store_report(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                    const protocol::ReportRequest& report);
/// The highest change that was reported; 0: none.
Result<std::uint64_t> acknowledged(store::ConfigDatabase& database, protocol::NodeId nmm_id);
/// The next entries of the NMM's records.
Result<protocol::RecordsResponse> read_records(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                                               const protocol::RecordsRequest& request);
/// The ids of what an NMM reported and is not gone.
struct Reported {
  std::set<protocol::NodeId> nodes;
  std::set<protocol::AsrId> asrs;
};
/// Of every NMM.
Result<std::map<protocol::NodeId, Reported>> read_reported(store::ConfigDatabase& database);

/// The body of issue, with the secrets that have these numbers. errors of the database.
Result<SecretBuffer> issue_body(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                                const std::set<std::uint32_t>& numbers, bool restore, std::uint32_t floor);
/// Secrets that an NMM hands up. `known`: there are some already, and only the same are taken
/// (refused_by_policy).
Status keep_secrets(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                    const std::vector<protocol::NumberedSecret>& secrets, bool known);
/// Of `present`, those that the NMM does not hold any more go, but for the newest. What is left.
Result<std::set<std::uint32_t>> drop_secrets(store::ConfigDatabase& database, protocol::NodeId nmm_id,
                                             const std::set<std::uint32_t>& present,
                                             const std::set<std::uint32_t>& held);

}  // namespace akm::root
