#include "tools/akmctl/exit_code.h"

namespace akm::ctl {

int exit_code(Errc code) {
  // Not a switch: all the other codes, also later ones, are simply failures.
  if (code == Errc::invalid_argument) return kExitUsage;
  if (code == Errc::unreachable) return kExitUnreachable;
  if (code == Errc::not_authorized) return kExitNotAuthorized;
  if (code == Errc::timed_out) return kExitTimedOut;
  if (code == Errc::not_found) return kExitNotFound;
  return kExitFailed;
}

}  // namespace akm::ctl
