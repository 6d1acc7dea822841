#include "bpf/loader/self_identity.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string_view>

namespace akm::bpf {

Result<SelfIdentity> self_identity() {
  struct stat ns{};
  if (::stat("/proc/self/ns/pid", &ns) != 0) return fail_errno(Errc::probe_failed, "/proc/self/ns/pid");
  struct stat mounts{};
  if (::stat("/proc/self/ns/mnt", &mounts) != 0) return fail_errno(Errc::probe_failed, "/proc/self/ns/mnt");
  struct stat host = mounts;
  (void)::stat("/proc/1/ns/mnt", &host);  // needs CAP_SYS_PTRACE where that is another's
  std::array<char, 32> target{};
  const ssize_t length = ::readlink("/proc/self", target.data(), target.size());
  if (length <= 0) return fail_errno(Errc::probe_failed, "/proc/self");
  pid_t shown = 0;
  std::from_chars(target.data(), target.data() + length, shown);
  if (shown != ::getpid()) return fail(Errc::probe_failed, "/proc shows another pid namespace");
  return SelfIdentity{static_cast<std::uint32_t>(shown), ns.st_dev, ns.st_ino,
                      static_cast<std::uint32_t>(mounts.st_ino), static_cast<std::uint32_t>(host.st_ino)};
}

void tell(const SelfIdentity& identity, akm_control& control) {
  control.tgid = identity.tgid;
  control.pid_ns_device = identity.pid_ns_device;
  control.pid_ns_inode = identity.pid_ns_inode;
  control.mount_ns = identity.mount_ns;
  control.host_mount_ns = identity.host_mount_ns;
}

}  // namespace akm::bpf
