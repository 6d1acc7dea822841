#pragma once
// One thing that user space looks at: the combined slow timer asks it to look, and so does its descriptor,
// whose events are a nudge and nothing that is believed. The first look is the baseline. What differs is told
// once, until it changes again; that it is as before is told too, as an observation.
#include <poll.h>

#include <cstdint>
#include <functional>

#include "daemon/base/instant.h"
#include "daemon/policy/detection.h"

namespace akm::watch {

using Tell = std::function<void(const policy::Detection&)>;

class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  virtual ~Watch() = default;

  /// For the loop; -1 where nothing says that something changed.
  [[nodiscard]] virtual int fd() const { return -1; }
  [[nodiscard]] virtual short events() const { return POLLIN; }
  /// Takes what made the descriptor ready; true when a look is worth it. Bounded: the rest keeps it ready.
  virtual bool nudged() { return true; }
  /// `tell` is for the length of the call, unless tells_later().
  virtual void look(Instant now, const Tell& tell) = 0;
  /// What it finds is found aside, and told when look() has long returned; it keeps itself short (OneLook).
  [[nodiscard]] virtual bool tells_later() const { return false; }
};

}  // namespace akm::watch
