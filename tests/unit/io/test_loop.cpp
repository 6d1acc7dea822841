#include "daemon/io/loop.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>

#include "tests/unit/io/loop_suite.h"

namespace {

// io_uring_setup answers with `error` from now on in this process (each test is a process of its own).
void forbid_io_uring(std::uint32_t error) {
  std::array filter{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                    sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
                    sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

}  // namespace

Test(loop, seccomp_eperm_falls_back_to_epoll_and_says_why) {
  forbid_io_uring(EPERM);
  const auto loop = akm::io::Loop::create(akm::io::BackendChoice::automatic);
  cr_assert(loop.has_value());
  cr_assert((*loop)->backend() == akm::io::Backend::epoll);
  cr_assert_neq((*loop)->backend_reason().find("seccomp"), std::string::npos);
  akm::io::suite::echo(akm::io::BackendChoice::automatic, "127.0.0.1:0");
}

Test(loop, seccomp_enosys_falls_back_to_epoll_and_says_why) {
  forbid_io_uring(ENOSYS);
  const auto loop = akm::io::Loop::create(akm::io::BackendChoice::automatic);
  cr_assert(loop.has_value());
  cr_assert((*loop)->backend() == akm::io::Backend::epoll);
  cr_assert_neq((*loop)->backend_reason().find("not there"), std::string::npos);
}

Test(loop, io_uring_demanded_but_forbidden_is_an_error) {
  forbid_io_uring(EPERM);
  const auto loop = akm::io::Loop::create(akm::io::BackendChoice::io_uring);
  cr_assert(!loop.has_value());
  cr_assert(loop.error().code == akm::Errc::not_supported);
  cr_assert(!loop.error().detail.empty());
}
