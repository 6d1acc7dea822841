#pragma once
// D19: the files by which the service manager, D-Bus and polkit know the daemons, by their content; and which
// of the daemons run as services.
#include <string>
#include <vector>

#include "daemon/watch/baseline.h"
#include "daemon/watch/folder_events.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

class ServiceFiles final : public Watch {
 public:
  /// `root`: "", or a folder with etc, run and usr.
  explicit ServiceFiles(std::string root = "");

  [[nodiscard]] int fd() const override { return events_.fd(); }
  bool nudged() override;
  void look(Instant now, const Tell& tell) override;

 private:
  [[nodiscard]] Facts facts();
  std::string root_;
  FolderEvents events_;
  Baseline baseline_;
};

}  // namespace akm::watch
