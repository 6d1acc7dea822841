#pragma once
#include <sys/types.h>

#include <string>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm {

/// openat2 in a folder that may be hostile: no symbolic link, no other filesystem, nothing above the folder.
/// `what` names the thing in the error. not_found, already_exists, disk_full, read_only; invalid_argument for
/// a link or a mount point in the way; io_failed.
Result<UniqueFd> open_beneath(int folder, const std::string& name, int flags, const std::string& what,
                              mode_t mode = 0);

}  // namespace akm
