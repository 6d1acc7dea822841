#include "bpf/loader/self_test.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <ctime>

#include "bpf/loader/file_device.h"
#include "bpf/loader/watch_list.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf {
namespace {

constexpr const char* kProgram = "/bin/true";
constexpr unsigned kChildLimit_s = 5;
constexpr int kLogSize = 10;             // syslog(): how large the buffer is
constexpr clockid_t kSettableClock = 0;  // the only one that can be set

/// What the child needs, prepared before it is made: between fork and the end it only makes system calls.
struct Scene {
  std::array<char, 32> folder{};  // watched as one of our state folders
  std::array<char, 48> file{};
  std::array<char, 48> maps{};  // /proc/PARENT/maps
  pid_t parent = 0;
  long key = 0;
};

/// Gains a capability that it gave up before.
void regain_capability() {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return;
  const auto all = sets;
  sets[0].effective &= ~((1U << CAP_SYS_ADMIN) | (1U << CAP_NET_ADMIN));
  sets[1].effective &= ~(1U << (CAP_BPF - 32));
  (void)::syscall(SYS_capset, &header, sets.data());
  (void)::syscall(SYS_capset, &header, all.data());
}

/// Each call fails, or does nothing that lasts.
[[noreturn]] void provoke(const Scene& scene, int go) {
  char byte = 0;
  if (::read(go, &byte, 1) != 1) ::_exit(1);
  (void)::alarm(kChildLimit_s);
  (void)::syscall(SYS_keyctl, KEYCTL_READ, scene.key, nullptr, 0, 0);
  const auto parent = static_cast<int>(::syscall(SYS_pidfd_open, scene.parent, 0));
  (void)::syscall(SYS_pidfd_getfd, parent, 0x7fffffff, 0);  // no process has so many
  (void)::open(scene.maps.data(), O_RDONLY | O_CLOEXEC);
  const int file = ::open(scene.file.data(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  (void)::unlink(scene.file.data());
  (void)file;
  // Not mount(2), which AppArmor refuses before the BPF program is asked. A folder that is no mount is not
  // moved.
  (void)::syscall(SYS_move_mount, AT_FDCWD, scene.folder.data(), AT_FDCWD, scene.folder.data(), 0);
  (void)::syscall(SYS_finit_module, -1, "", 0);
  bpf_attr attributes{};
  (void)::syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
  (void)::kill(scene.parent, SIGCONT);
  regain_capability();
  (void)::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);  // protocol 0: receives nothing
  const timespec never{.tv_sec = -1, .tv_nsec = -1};
  (void)::syscall(SYS_clock_settime, kSettableClock, &never);  // the library would refuse it itself
  (void)::syscall(SYS_syslog, kLogSize, nullptr, 0);
  io_uring_params parameters{};
  (void)::syscall(SYS_io_uring_setup, 1, &parameters);
  char* const arguments[] = {const_cast<char*>(kProgram), nullptr};
  (void)::execve(kProgram, arguments, arguments + 1);
  ::_exit(1);
}

struct Proof {
  Group group;
  Watch watch;
  bool mounts;  // of calls that name a path
};

constexpr Proof kProofs[] = {
    {Group::keys, Watch::key, false},         {Group::process, Watch::process, false},
    {Group::files, Watch::inspection, false}, {Group::folders, Watch::state, false},
    {Group::mounts, Watch::state, true},      {Group::kernel_code, Watch::module, false},
    {Group::bpf_use, Watch::bpf_use, false},  {Group::signals, Watch::signal, false},
    {Group::exec, Watch::debugger, false},    {Group::capabilities, Watch::privilege, false},
    {Group::sockets, Watch::packet, false},   {Group::clock, Watch::clock, false},
    {Group::logs, Watch::log, false},         {Group::rings, Watch::io_uring, false},
};

/// What no harmless call reaches: setting the clock and loading a module are asked about only when they would
/// be done, and an io_uring request needs a ring with memory, another's credentials too.
bool provable(Group group, Tier tier) {
  if (group == Group::io_uring) return false;
  if (tier == Tier::tracepoint) return true;
  return group != Group::clock && group != Group::kernel_code && group != Group::rings;
}

/// Puts the scene into the maps, and takes it out again.
class Stage {
 public:
  Stage(const ProbeObject& object, Scene& scene) : object_(object) {
    constexpr std::string_view kTemplate = "/tmp/akm-self-test-XXXXXX";
    (void)kTemplate.copy(scene.folder.data(), scene.folder.size() - 1);
    made_ = ::mkdtemp(scene.folder.data()) != nullptr;
    folder_ = scene.folder.data();
    (void)(folder_ + "/file").copy(scene.file.data(), scene.file.size() - 1);
    (void)("/proc/" + std::to_string(::getpid()) + "/maps").copy(scene.maps.data(), scene.maps.size() - 1);
    scene.parent = ::getpid();
    scene.key = ::syscall(SYS_add_key, "user", "akm-self-test", "none", 4, KEY_SPEC_PROCESS_KEYRING);
    key_ = scene.key > 0 ? static_cast<std::int32_t>(scene.key) : 0x7ffffffe;
    constexpr int kOwnerMay = 0x3f3f0000;  // the child does not possess it
    (void)::syscall(SYS_keyctl, KEYCTL_SETPERM, key_, kOwnerMay, 0, 0);
    scene.key = key_;
    put("guarded_keys", key_, AKM_GUARDED_KEY);
    if (identify(folder_.c_str(), place_)) put("watched_folders", place_, AKM_WATCH_STATE);
    if (identify(kProgram, program_)) put("watched_tools", program_, AKM_WATCH_DEBUGGER);
    (void)folder_.copy(prefix_.path, sizeof(prefix_.path) - 1);
    prefix_.bits = static_cast<std::uint32_t>(folder_.size() * 8);
    put("watched_prefixes", prefix_, AKM_WATCH_STATE);
  }
  ~Stage() {
    (void)bpf_map_delete_elem(object_.map_fd("guarded_keys"), &key_);
    (void)bpf_map_delete_elem(object_.map_fd("watched_folders"), &place_);
    (void)bpf_map_delete_elem(object_.map_fd("watched_tools"), &program_);
    (void)bpf_map_delete_elem(object_.map_fd("watched_prefixes"), &prefix_);
    (void)::syscall(SYS_keyctl, KEYCTL_INVALIDATE, key_, 0, 0, 0);
    (void)::unlink((folder_ + "/file").c_str());  // where the child was not allowed to
    if (made_) (void)::rmdir(folder_.c_str());
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

 private:
  template <typename Key>
  void put(const char* map, const Key& key, std::uint8_t value) {
    (void)bpf_map_update_elem(object_.map_fd(map), &key, &value, BPF_ANY);
  }
  static bool identify(const char* path, akm_folder_key& key) {
    struct stat status{};
    if (::stat(path, &status) != 0) return false;
    key = {.inode = status.st_ino, .device = file_device(path, status), .zero = 0};
    return true;
  }

  const ProbeObject& object_;
  bool made_ = false;
  std::string folder_;
  std::int32_t key_ = 0;
  akm_folder_key place_{};
  akm_folder_key program_{};
  akm_prefix_key prefix_{};
};

}  // namespace

Status SelfTest::run() {
  Scene scene;
  const Stage stage(object_, scene);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(Errc::probe_failed, "self-test");
  UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail_errno(Errc::probe_failed, "self-test");
  if (child == 0) provoke(scene, reading.get());
  reading.reset();

  const std::uint32_t zero = 0;
  control_.self_test_tgid = static_cast<std::uint32_t>(child);
  const int map = object_.map_fd("control");
  const bool told = bpf_map_update_elem(map, &zero, &control_, BPF_ANY) == 0;
  if (told) {
    (void)!::write(writing.get(), "x", 1);
  } else {
    (void)::kill(child, SIGKILL);
  }
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  control_.self_test_tgid = 0;
  (void)bpf_map_update_elem(map, &zero, &control_, BPF_ANY);
  if (!told) return fail(Errc::probe_failed, "self-test: control map");
  return {};
}

void SelfTest::seen(const ProbeRecord& record) {
  for (const Proof& proof : kProofs) {
    if (proof.watch == record.watch && proof.mounts == (record.operation == "mount"))
      seen_.insert({proof.group, record.source});
  }
}

bool SelfTest::proven(Group group) const {
  const auto tier = object_.tier(group);
  if (!tier) return true;
  const std::string name(tier_name(*tier));
  if (provable(group, *tier)) return seen_.contains({group, name});
  // Without `bpf` among the security modules an LSM program can attach and is never asked: its word is good
  // where another of its tier was seen.
  return *tier == Tier::tracepoint ||
         std::ranges::any_of(seen_, [&](const auto& one) { return one.second == name; });
}

}  // namespace akm::bpf
