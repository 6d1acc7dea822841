#include "daemon/base/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace akm {

Result<UniqueFd> open_beneath(int folder, const std::string& name, int flags, const std::string& what,
                              mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how)));
  if (fd) return fd;
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
      return fail_errno(Errc::not_found, what);
    case EEXIST:
      return fail_errno(Errc::already_exists, what);
    case ELOOP:
      return fail(Errc::invalid_argument, what + " is a symbolic link");
    case EXDEV:
      return fail(Errc::invalid_argument, what + " is on another filesystem");
    default:
      return fail_errno(Errc::io_failed, what);
  }
}

}  // namespace akm
