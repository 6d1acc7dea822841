#include "daemon/service/hook.h"

#include <criterion/criterion.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

using namespace akm;
using namespace akm::service;
using namespace std::chrono_literals;

namespace {

/// Below a folder that only root can write to, /tmp is not one.
class Folder {
 public:
  Folder() { std::filesystem::create_directory(path_); }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string script(const std::string& text, mode_t mode = 0700) const {
    const std::string file = path_ + "/hook";
    std::ofstream(file) << "#!/bin/sh\n" << text;
    cr_assert_eq(::chmod(file.c_str(), mode), 0);
    return file;
  }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(file(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  std::string path_ = "/run/akm-test-hook-" + std::to_string(::getpid());
};

}  // namespace

#define NEED_ROOT() \
  if (::geteuid() != 0) cr_skip_test("a hook belongs to root")

Test(hook, it_gets_ids_and_nothing_else) {
  NEED_ROOT();
  const Folder folder;
  const auto program = folder.script("env > " + folder.file("env") + "; ls /proc/self/fd > " +
                                     folder.file("fds") + "; echo $# > " + folder.file("count") + "\n");
  const Status ran = run_hook(program, {{"AKM_CLASS", "key-access"}}, 10s);
  cr_assert(ran.has_value(), "%s", ran ? "" : ran.error().message().c_str());
  const std::string env = folder.text("env");
  cr_assert(env.contains("AKM_CLASS=key-access\n"));
  cr_assert_not(env.contains("PATH=/usr/local"), "%s", env.c_str());
  cr_assert_not(env.contains("HOME="));
  cr_assert_eq(folder.text("count"), "0\n");
  cr_assert_eq(folder.text("fds"), "0\n1\n2\n3\n", "three, and the one of ls");
}

Test(hook, its_session_keyring_is_another) {
  NEED_ROOT();
  const Folder folder;
  const auto program = folder.script("cat /proc/keys > " + folder.file("keys") + "\n");
  cr_assert(run_hook(program, {}, 10s).has_value());
  cr_assert(folder.text("keys").contains("keyring"));
}

/// As a unit's User= and AmbientCapabilities= make a daemon.
Test(hook, it_has_none_of_the_capabilities) {
  NEED_ROOT();
  const Folder folder;
  const auto program =
      folder.script("grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status > " + folder.file("caps") + "\n", 0755);
  std::ofstream(folder.file("caps")) << "";
  cr_assert_eq(::chmod(folder.file("caps").c_str(), 0666), 0);
  cr_assert_eq(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), 0);
  cr_assert_eq(::setresuid(65534, 65534, 65534), 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  constexpr std::uint32_t kOurs = 1U << CAP_DAC_OVERRIDE | 1U << CAP_NET_ADMIN;
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> ours{{{kOurs, kOurs, kOurs}, {}}};
  cr_assert_eq(::syscall(SYS_capset, &header, ours.data()), 0);
  for (const int one : {CAP_DAC_OVERRIDE, CAP_NET_ADMIN})
    cr_assert_eq(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0), 0);
  const Status ran = run_hook(program, {}, 10s);
  cr_assert(ran.has_value(), "%s", ran ? "" : ran.error().message().c_str());
  const std::string none = ":\t0000000000000000\n";
  cr_assert_eq(folder.text("caps"), "CapInh" + none + "CapPrm" + none + "CapEff" + none + "CapAmb" + none,
               "%s", folder.text("caps").c_str());
  cr_assert_eq(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_ADMIN, 0, 0), 1,
               "the daemon keeps them");
}

Test(hook, one_that_the_daemon_s_user_cannot_read_is_refused) {
  NEED_ROOT();
  const Folder folder;
  const auto program = folder.script("exit 0\n", 0750);
  cr_assert(check_hook(program).has_value());
  cr_assert_eq(::seteuid(65534), 0);
  const Status refused = check_hook(program);
  cr_assert_eq(::seteuid(0), 0);
  cr_assert_eq(refused.error().code, Errc::refused_by_policy);
  cr_assert(refused.error().detail.contains("0755"));
}

Test(hook, how_it_ends_is_told) {
  NEED_ROOT();
  const Folder folder;
  const Status failed = run_hook(folder.script("exit 3\n"), {}, 10s);
  cr_assert_eq(failed.error().code, Errc::io_failed);
  cr_assert(failed.error().detail.contains("status 3"));
}

Test(hook, it_is_killed_with_what_it_started) {
  NEED_ROOT();
  const Folder folder;
  const auto program = folder.script("sleep 60 &\necho $! > " + folder.file("pid") + "\nsleep 60\n");
  // A hook that was not given the time to say whom it started is given more.
  for (auto limit = 500ms; !folder.text("pid").ends_with('\n') && limit < 20s; limit *= 2)
    cr_assert_eq(run_hook(program, {}, limit).error().code, Errc::timed_out);
  const int child = std::stoi(folder.text("pid"));
  // Dead, or a zombie that nobody has taken up yet. The signal is sent; it dies when it is its turn to run.
  const auto stat = [&] {
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    return std::string{std::istreambuf_iterator<char>(status), {}};
  };
  const auto lives = [&] {
    const std::string now = stat();
    return !now.empty() && !now.contains(") Z");
  };
  for (int i = 0; i < 1000 && lives(); ++i) std::this_thread::sleep_for(10ms);
  cr_assert_not(lives(), "%s", stat().c_str());
}

Test(hook, only_what_is_root_s_alone_is_run) {
  NEED_ROOT();
  const Folder folder;
  cr_assert_eq(check_hook(folder.script("exit 0\n", 0720)).error().code, Errc::refused_by_policy);
  cr_assert_eq(check_hook(folder.script("exit 0\n", 0600)).error().code, Errc::refused_by_policy);
  const std::string program = folder.script("exit 0\n");
  cr_assert(check_hook(program).has_value());
  std::filesystem::create_symlink(program, folder.file("link"));
  cr_assert_eq(check_hook(folder.file("link")).error().code, Errc::refused_by_policy);
  cr_assert_eq(::chown(program.c_str(), 12345, 0), 0);
  cr_assert_eq(check_hook(program).error().code, Errc::refused_by_policy);
  cr_assert_eq(check_hook("/tmp/x").error().code, Errc::refused_by_policy, "others write to /tmp");
  cr_assert_eq(check_hook("hook").error().code, Errc::refused_by_policy);
  cr_assert_eq(check_hook("/nonexistent/hook").error().code, Errc::io_failed);
}
