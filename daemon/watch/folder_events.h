#pragma once
// Says that something in some folders changed (inotify); what, its user looks up itself.
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace akm::watch {

class FolderEvents {
 public:
  FolderEvents();
  /// Folders that are missing are left out, and taken when they are there at a later call. At most 64.
  void add(const std::string& folder);
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Takes what is there; true when there was anything.
  bool drain();

 private:
  UniqueFd fd_;
  std::vector<std::string> added_;
};

}  // namespace akm::watch
