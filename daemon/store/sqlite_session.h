#pragma once
// SQLite in a file of its own: WAL, every commit on the disk before it is answered, one process at a time.
#include <memory>

#include "daemon/store/sql_session.h"

namespace akm::store {

/// Makes the file with mode 0600 (a looser one is tightened) and checks its integrity. The file is not
/// followed through a symbolic link. `path` is absolute; its folder must exist. busy (another process has
/// it), state_corrupt (damaged, or no database), read_only, disk_full, storage_failed.
Result<std::unique_ptr<SqlSession>> open_sqlite(const std::string& path);

}  // namespace akm::store
