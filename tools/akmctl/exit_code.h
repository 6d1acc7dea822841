#pragma once
// Exit codes of akmctl: scripts may rely on them.
#include "daemon/base/error.h"

namespace akm::ctl {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;        // the command line or an argument is wrong
inline constexpr int kExitUnreachable = 3;  // no bus, no daemon, no peer
inline constexpr int kExitNotAuthorized = 4;
inline constexpr int kExitTimedOut = 5;  // what was asked for may still happen
inline constexpr int kExitNotFound = 6;
// Of status and doctor, which have done what they were asked:
inline constexpr int kExitWarning = 7;  // it works, and something is worth a look
inline constexpr int kExitProblem = 8;  // something does not work

int exit_code(Errc code);

}  // namespace akm::ctl
