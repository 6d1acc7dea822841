#include "daemon/base/erase_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace akm {
namespace {

constexpr off_t kOverwrittenBytes = off_t{1} << 20;

Status sync_folder_of(const std::string& path) {
  const std::filesystem::path above = std::filesystem::path(path).parent_path();
  const UniqueFd folder(::open(above.empty() ? "." : above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) return fail_errno(Errc::storage_failed, "folder of " + path);
  return {};
}

}  // namespace

Status erase_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd && errno == ENOENT) return {};
  struct stat info{};
  if (fd && ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    const std::vector<std::uint8_t> zeros(
        static_cast<std::size_t>(std::min<off_t>(info.st_size, kOverwrittenBytes)));
    // A disk that takes no more bytes is to lose the name all the same.
    (void)!::pwrite(fd.get(), zeros.data(), zeros.size(), 0);
    (void)::fsync(fd.get());
  }
  if (::unlink(path.c_str()) != 0) return fail_errno(Errc::storage_failed, path);
  return sync_folder_of(path);
}

}  // namespace akm
