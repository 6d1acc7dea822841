#pragma once
// The end of a file whose content is to be gone, not only its name.
#include <string>

#include "daemon/base/result.h"

namespace akm {

/// Overwritten in place and synchronised before the name goes: on a disk that writes in place nothing is
/// left. The folder is synchronised too. A missing file is no error. storage_failed: the name is there still,
/// or may be after a power cut.
Status erase_file(const std::string& path);

}  // namespace akm
