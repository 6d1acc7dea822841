#pragma once
// Holds BPF links by name instead of by descriptor. The kernel takes a link down synchronously when its last
// descriptor is closed, some 70 ms each on Linux 6.13 and later, so a killed daemon with 80 links would take
// five seconds to die; a pinned link is taken down by a kernel worker. The folder is a private instance of
// bpffs that no mount table shows.
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf {

class PinFolder {
 public:
  /// probe_failed when no private bpffs may be made (no CAP_SYS_ADMIN).
  static Result<PinFolder> open();
  Status pin(int link_fd, const std::string& name) const;
  /// The pinned link, or none when it is gone.
  [[nodiscard]] UniqueFd get(const std::string& name) const;

 private:
  explicit PinFolder(UniqueFd folder) : folder_(std::move(folder)) {}
  [[nodiscard]] std::string path(const std::string& name) const;
  UniqueFd folder_;
};

}  // namespace akm::bpf
