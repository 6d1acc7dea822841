#include "bpf/loader/pin_folder.h"

#include <bpf/bpf.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace akm::bpf {

Result<PinFolder> PinFolder::open() {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC)));
  if (!context) return fail_errno(Errc::probe_failed, "bpffs");
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return fail_errno(Errc::probe_failed, "bpffs");
  }
  UniqueFd folder(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
  if (!folder) return fail_errno(Errc::probe_failed, "bpffs");
  return PinFolder(std::move(folder));
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

}  // namespace akm::bpf
