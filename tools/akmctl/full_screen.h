#pragma once
// The terminal as one picture: alternate screen, single keys, redrawn when its size changes. It is as it was
// before when this goes, by whatever signal but SIGKILL and those of a crash.
#include <poll.h>
#include <termios.h>

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/instant.h"
#include "daemon/base/unique_fd.h"
#include "tools/akmctl/monitor_view.h"

namespace akm::ctl {

class FullScreen {
 public:
  /// Whether standard input and output are a terminal that knows how.
  static bool possible();

  FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen();

  [[nodiscard]] static Size size();
  /// Nothing where it is the same as before.
  void draw(const std::vector<std::string>& lines);

  enum class Input : std::uint8_t { none, resized, quit };
  /// Waits for `also` (its fd may be -1), for a key, a signal or that time to pass.
  Input wait(pollfd also, Duration most);

 private:
  Input signal_came();
  static Input key_came();

  termios before_{};
  sigset_t mask_before_{};
  UniqueFd signals_;
  std::string drawn_;
};

}  // namespace akm::ctl
