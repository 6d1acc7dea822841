#pragma once
// The limit of a breach's way to new keys: processes that sleep in recv, and pass one datagram on.
#include <cstddef>
#include <string>

namespace akm::bench {

/// Node to NMM, NMM to four members: microseconds from the first send until the last member has it, median.
/// With a folder, the NMM writes one record durably before it sends, and each member before it counts.
double bare_path_us(const std::string& folder, std::size_t rounds);
/// Prints it, with and without the records.
void bare_path(std::size_t rounds);

}  // namespace akm::bench
