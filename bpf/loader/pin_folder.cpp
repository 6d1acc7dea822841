#include "bpf/loader/pin_folder.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <ranges>

namespace akm::bpf {
namespace {

/// Folders that were made and, as it turned out, for nothing.
class Made {
 public:
  Made() = default;
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  ~Made() {
    for (const std::string& path : std::views::reverse(paths_)) (void)::rmdir(path.c_str());
  }
  /// False with errno when it is not there afterwards.
  bool make(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) != 0) return errno == EEXIST;
    paths_.push_back(path);
    return true;
  }
  void keep() { paths_.clear(); }

 private:
  std::vector<std::string> paths_;
};

}  // namespace

Result<PinFolder> PinFolder::open() {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC)));
  if (!context) return fail_errno(Errc::probe_failed, "bpffs");
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return fail_errno(Errc::probe_failed, "bpffs");
  }
  UniqueFd folder(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!folder) return fail_errno(Errc::probe_failed, "bpffs");
  return PinFolder(std::move(folder), false);
}

Result<PinFolder> PinFolder::open_at(const std::string& path) {
  Made made;
  const std::string parent = path.substr(0, path.rfind('/'));
  const bool there = made.make(path) || (errno == ENOENT && made.make(parent) && made.make(path));
  if (!there) return fail_errno(Errc::probe_failed, path);
  UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return fail_errno(Errc::probe_failed, path);
  struct statfs fs{};
  struct stat status{};
  if (::fstatfs(folder.get(), &fs) != 0 || ::fstat(folder.get(), &status) != 0)
    return fail_errno(Errc::probe_failed, path);
  if (static_cast<std::uint32_t>(fs.f_type) != BPF_FS_MAGIC)
    return fail(Errc::probe_failed, path + " is on no bpffs");
  if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0)
    return fail(Errc::probe_failed, path + " is not ours alone");
  // The lock ends with the descriptor, that is with the process.
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0)
    return fail_errno(Errc::probe_failed, path + " is in use");
  made.keep();
  return PinFolder(std::move(folder), true);
}

std::string PinFolder::path(const std::string& name) const {
  return "/proc/self/fd/" + std::to_string(folder_.get()) + "/" + name;
}

Status PinFolder::pin(int link_fd, const std::string& name) const {
  if (bpf_obj_pin(link_fd, path(name).c_str()) != 0) return fail_errno(Errc::probe_failed, "pin " + name);
  return {};
}

UniqueFd PinFolder::get(const std::string& name) const {
  return UniqueFd(bpf_obj_get(path(name).c_str()));
}

std::vector<std::string> PinFolder::names() const {
  constexpr std::size_t kNames = 1024;
  std::vector<std::string> out;
  const UniqueFd copy(::open(path(".").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy) return out;
  DIR* dir = ::fdopendir(::fcntl(copy.get(), F_DUPFD_CLOEXEC, 0));
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] != '.' && out.size() < kNames) out.emplace_back(entry->d_name);
  }
  (void)::closedir(dir);
  return out;
}

void PinFolder::clear() const {
  for (const std::string& name : names()) (void)::unlinkat(folder_.get(), name.c_str(), 0);
}

}  // namespace akm::bpf
