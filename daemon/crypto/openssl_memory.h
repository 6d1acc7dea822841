#pragma once
#include "daemon/base/result.h"

namespace akm::crypto {

/// From now on OpenSSL allocates in the arena (daemon/base/secret_arena.h): key schedules, HMAC states and
/// big numbers are in no core file and no swap, and are wiped when freed. Call in main, after
/// harden_process() and before anything else uses OpenSSL; wrong_state when that is too late. A child of
/// fork(2) must call no OpenSSL function before execve, and leave with _exit: the parent's OpenSSL is not in
/// it.
Status use_arena_for_openssl();

}  // namespace akm::crypto
