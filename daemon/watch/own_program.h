#pragma once
// D19: the daemon's own program on the disk. What runs stays what it was; what is started next is another.
#include <string>

#include "daemon/watch/baseline.h"
#include "daemon/watch/folder_events.h"
#include "daemon/watch/watch.h"

namespace akm::watch {

/// Of a program; a larger file is told without its digest.
inline constexpr std::size_t kProgramBytes = std::size_t{256} << 20;

class OwnProgram final : public Watch {
 public:
  /// `path`: where it was started from. `running`: the file that runs, also when it is no longer there.
  explicit OwnProgram(std::string path, std::string running = "/proc/self/exe");

  [[nodiscard]] int fd() const override { return events_.fd(); }
  bool nudged() override { return events_.drain(); }
  void look(Instant now, const Tell& tell) override;

 private:
  std::string path_;
  std::string running_;
  FolderEvents events_;
  Baseline baseline_;
};

}  // namespace akm::watch
