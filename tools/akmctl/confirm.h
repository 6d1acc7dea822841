#pragma once
// What cannot be undone is asked about at a terminal, and takes --yes where there is none.
#include <unistd.h>

#include <string_view>

#include "daemon/base/result.h"

namespace akm::ctl {

/// `what`: "this erases ...". Nothing to ask with `yes`. invalid_argument where the answer is not "yes", or
/// nobody can be asked; nothing was done then.
Status confirm(bool yes, std::string_view what, int in = STDIN_FILENO, int out = STDERR_FILENO);

}  // namespace akm::ctl
