#include "bpf/loader/tracefs.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <string>

namespace akm::bpf {
namespace {

bool has_events(int folder) {
  // Not access(2), which leaves out the capabilities of a user who is not root.
  struct stat info{};
  return ::fstatat(folder, "events/syscalls", &info, 0) == 0;
}

/// A mount that is in no namespace: it goes away with its descriptor.
UniqueFd open_detached() {
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC)));
  if (!context) return {};
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
  return UniqueFd(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
}

}  // namespace

Result<Tracefs> Tracefs::open() {
  for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    UniqueFd folder(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (folder && has_events(folder.get())) return Tracefs(std::move(folder));
  }
  UniqueFd folder = open_detached();
  if (!folder) return fail_errno(Errc::probe_failed, "tracefs is not mounted and cannot be opened");
  if (!has_events(folder.get()))
    return fail(Errc::probe_failed, "this kernel has no system call tracepoints");
  return Tracefs(std::move(folder));
}

Result<std::uint64_t> Tracefs::event_id(std::string_view category, std::string_view event) const {
  const std::string path = "events/" + std::string(category) + "/" + std::string(event) + "/id";
  const UniqueFd file(::openat(folder_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return fail(Errc::not_found, path);
    return fail_errno(Errc::probe_failed, path);
  }
  std::array<char, 32> text{};
  const ssize_t length = ::read(file.get(), text.data(), text.size());
  std::uint64_t id = 0;
  if (length <= 0 || std::from_chars(text.data(), text.data() + length, id).ec != std::errc{} || id == 0) {
    return fail(Errc::probe_failed, path + " holds no number");
  }
  return id;
}

}  // namespace akm::bpf
