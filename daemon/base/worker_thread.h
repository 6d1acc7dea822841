#pragma once
// A thread beside the loop's: how it begins, and how it tells the loop that it has something.
#include <functional>
#include <string_view>
#include <thread>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm {

/// With all signals blocked: they are the loop thread's. io_failed naming `what`.
Result<std::thread> start_thread(std::string_view what, std::move_only_function<void()> work);
/// Non-blocking, closed by exec. io_failed.
Result<UniqueFd> make_eventfd();
/// Makes it readable. Does not block: the counter holds 2^64 - 2.
void signal_eventfd(int fd);

}  // namespace akm
