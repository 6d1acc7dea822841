#pragma once
// SIGTERM and SIGINT as an ordinary readable fd: the loop ends its turn and stops cleanly.
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/io/loop.h"

namespace akm::service {

/// Blocks the signals (call before any thread is made). SIGPIPE is ignored; SIGHUP too: reloading is not
/// promised.
Result<UniqueFd> block_stop_signals();
/// Stops `loop` when one arrives.
Status stop_on_signal(io::Loop& loop, const UniqueFd& signals);

}  // namespace akm::service
