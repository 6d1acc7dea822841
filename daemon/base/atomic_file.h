#pragma once
// Whole files, written so that a crash at any moment leaves the old content or the new one, never a mixture.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm {

/// Makes the folder with mode 0700 where it is missing, the last one of the path only, and has it stay
/// through a power cut, whoever made it. storage_failed, disk_full, read_only.
Status make_folder(const std::string& path);

/// Temporary file in the same folder, fsync, rename over `path`, fsync of the folder: durable when it
/// returns. On failure the old file is intact and no temporary file stays. `mode` as in open(2), not reduced
/// by the umask. storage_failed, disk_full, read_only.
Status write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes,
                             std::uint32_t mode);
struct NamedFile {
  std::string name;
  std::vector<std::uint8_t> bytes;
};
/// Several files of one folder for little more than the price of one: all are on the disk before the first
/// gets its name, and the folder is synchronised once. Each is whole or not there; after a crash or an error
/// those before it in the order may be new already.
Status write_files_atomically(const std::string& folder, const std::vector<NamedFile>& files,
                              std::uint32_t mode);
/// The same as write_file_atomically(), but never replaces: already_exists when `path` is there, also when it
/// appeared meanwhile.
Status create_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes,
                              std::uint32_t mode);
/// A regular file of at most `max_bytes`. not_found, too_large, storage_failed.
Result<std::vector<std::uint8_t>> read_file(const std::string& path, std::size_t max_bytes);
/// The same for a file that holds a secret: it is read into the arena and nowhere else.
Result<SecretBuffer> read_secret_file(const std::string& path, std::size_t max_bytes);
/// True for the name (without folder) of a temporary file of these functions: what a crash leaves, safe to
/// remove.
bool is_temporary_file_name(std::string_view name);

}  // namespace akm
