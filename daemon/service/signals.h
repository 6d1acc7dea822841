#pragma once
// SIGTERM, SIGINT and SIGHUP as an ordinary readable fd: the loop ends its turn and stops cleanly. After
// SIGHUP the program starts anew in the same process, with the configuration as it is by then.
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "daemon/io/loop.h"

namespace akm::service {

/// Blocks the signals (call before any thread is made). SIGPIPE is ignored.
Result<UniqueFd> block_stop_signals();
/// Stops `loop` when one arrives.
Status stop_on_signal(io::Loop& loop, const UniqueFd& signals);
/// Whether SIGHUP was among what stopped the loop, and no SIGTERM or SIGINT.
bool start_anew_asked();
/// The exit status of a daemon that has ended well, when all that it had is destroyed. Does not return where
/// it is to start anew and can.
int end_or_start_anew();

}  // namespace akm::service
