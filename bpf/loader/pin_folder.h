#pragma once
// Holds BPF links and maps by name instead of by descriptor. The kernel takes a link down synchronously when
// its last descriptor is closed, some 70 ms each on Linux 6.13 and later, so a killed daemon with 80 links
// would take five seconds to die; a pinned link is taken down by a kernel worker. The folder is a private
// instance of bpffs that no mount table shows; or one on a mounted bpffs, and then what it holds outlives the
// daemon.
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf {

class PinFolder {
 public:
  /// probe_failed when no private bpffs may be made (no CAP_SYS_ADMIN).
  static Result<PinFolder> open();
  /// A folder of a mounted bpffs, made with mode 0700 when it is not there, as the one above it. probe_failed
  /// when it cannot be, is not ours alone, or another process holds it.
  static Result<PinFolder> open_at(const std::string& path);
  [[nodiscard]] bool outlives() const { return outlives_; }
  Status pin(int link_fd, const std::string& name) const;
  /// The pinned link, or none when it is gone.
  [[nodiscard]] UniqueFd get(const std::string& name) const;
  /// What it holds, at most 1024 names.
  [[nodiscard]] std::vector<std::string> names() const;
  /// Removes everything: the links end.
  void clear() const;

 private:
  PinFolder(UniqueFd folder, bool outlives) : folder_(std::move(folder)), outlives_(outlives) {}
  [[nodiscard]] std::string path(const std::string& name) const;
  UniqueFd folder_;
  bool outlives_ = false;
};

}  // namespace akm::bpf
