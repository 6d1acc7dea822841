#pragma once
// Which programs of this machine are AKM's own daemons. Each of them loads BPF programs, which is no news to
// the others. A program is known by the file that it was started from and by nothing that it says of itself:
// a name is anybody's.
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bpf/loader/probe_record.h"

namespace akm::sentry {

inline constexpr std::size_t kOurProgramsMax = 16;

class OurPrograms {
 public:
  /// Nobody but this process.
  OurPrograms();
  /// And those that are at these paths now. A file that belongs to others, or that others may write to, is
  /// left out; so is one that comes to such a path later, which a replaced one is.
  explicit OurPrograms(const std::vector<std::string>& paths);
  /// akmd, akm-nmmd and akm-rootd in the folder of our own program.
  static std::vector<std::string> beside_us();

  [[nodiscard]] bool ran(const bpf::ProbeRecord& record) const;

 private:
  void add(const std::string& path, bool ours_alone);
  std::set<std::pair<std::uint64_t, std::uint64_t>> files_;  // device as the kernel has it, inode
};

}  // namespace akm::sentry
