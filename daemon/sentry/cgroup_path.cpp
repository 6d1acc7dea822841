#include "daemon/sentry/cgroup_path.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstddef>
#include <string_view>

#include "daemon/base/unique_fd.h"

namespace akm::sentry {
namespace {

constexpr int kKernfsHandle = 0xfe;  // FILEID_KERNFS: its handle is the number of the inode
constexpr std::string_view kGone = " (deleted)";

/// struct file_handle ends in an array without a length.
struct Handle {
  unsigned int bytes = sizeof(std::uint64_t);
  int type = kKernfsHandle;
  std::uint64_t id = 0;
};
static_assert(sizeof(file_handle) == offsetof(Handle, id));

}  // namespace

std::optional<std::string> cgroup_path(std::uint64_t id, const std::string& mount) {
  const UniqueFd root(::open(mount.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct statfs kind{};
  if (!root || ::fstatfs(root.get(), &kind) != 0 || kind.f_type != CGROUP2_SUPER_MAGIC) return std::nullopt;
  Handle handle;
  handle.id = id;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): see Handle
  auto* const raw = reinterpret_cast<file_handle*>(&handle);
  const UniqueFd found(::open_by_handle_at(root.get(), raw, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!found) return std::nullopt;
  std::array<char, PATH_MAX> text{};
  const std::string link = "/proc/self/fd/" + std::to_string(found.get());
  const ssize_t size = ::readlink(link.c_str(), text.data(), text.size());
  if (size <= 0 || static_cast<std::size_t>(size) == text.size()) return std::nullopt;
  std::string path(text.data(), static_cast<std::size_t>(size));
  if (!path.starts_with(mount) || path.ends_with(kGone)) return std::nullopt;
  path.erase(0, mount.size());
  return path.empty() ? "/" : path;
}

}  // namespace akm::sentry
