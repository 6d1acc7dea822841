#pragma once
// Says that something in some folders changed (inotify); what, its user looks up itself.
#include <map>
#include <string>

#include "daemon/base/unique_fd.h"

namespace akm::watch {

class FolderEvents {
 public:
  FolderEvents();
  /// Folders that are missing are left out, and taken when they are there at a later call. At most 64. Of a
  /// folder in which others keep much, only names that begin with `prefix` count.
  void add(const std::string& folder, const std::string& prefix = "");
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Takes what is there; true when there was anything that counts.
  bool drain();

 private:
  UniqueFd fd_;
  struct Added {
    std::string folder;
    std::string prefix;
  };
  std::map<int, Added> added_;  // by the kernel's number
};

}  // namespace akm::watch
