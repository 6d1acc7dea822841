#include "bpf/loader/self_identity.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace akm::bpf;

Test(self_identity, is_this_process_in_its_namespace) {
  const auto identity = self_identity();
  cr_assert(identity.has_value());
  struct stat ns{};
  cr_assert_eq(::stat("/proc/self/ns/pid", &ns), 0);
  cr_assert_eq(identity->tgid, static_cast<std::uint32_t>(::getpid()));
  cr_assert_eq(identity->pid_ns_inode, ns.st_ino);
  cr_assert_eq(identity->pid_ns_device, ns.st_dev);
  cr_assert_eq(::stat("/proc/self/ns/mnt", &ns), 0);
  cr_assert_eq(identity->mount_ns, ns.st_ino);
  if (::stat("/proc/1/ns/mnt", &ns) == 0) cr_assert_eq(identity->host_mount_ns, ns.st_ino);
  akm_control control{};
  tell(*identity, control);
  cr_assert_eq(control.tgid, identity->tgid);
  cr_assert_eq(control.mount_ns, identity->mount_ns);
  cr_assert_eq(control.host_mount_ns, identity->host_mount_ns);
}
