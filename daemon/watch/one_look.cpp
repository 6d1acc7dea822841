#include "daemon/watch/one_look.h"

#include <string>

namespace akm::watch {

OneLook::~OneLook() {
  for (const auto& [what, count] : told_) {
    if (count <= kToldAtOnce) continue;
    policy::Detection rest;
    rest.detection = what.first;
    rest.boottime_ns = now_.ns;
    rest.at_most = what.second;
    rest.evidence = {{"what", "more of the same look"}, {"count", std::to_string(count - kToldAtOnce)}};
    tell_(rest);
  }
}

Tell OneLook::tell() {
  return [this](const policy::Detection& detection) {
    if (++told_[{detection.detection, policy::grade(detection)}] <= kToldAtOnce) tell_(detection);
  };
}

}  // namespace akm::watch
