// Rows D6, D7 and D32: the node's own BPF objects and their pins. The last of all: what is taken away is gone
// for good where nothing denies it.
#include <dirent.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tests/attacks/attack.h"

namespace akm::attacks {
namespace {

long bpf(bpf_cmd command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof(attributes));
}

std::uint64_t address(const void* memory) {
  return reinterpret_cast<std::uint64_t>(memory);
}

template <typename Info>
bool ask(int fd, Info& info) {
  bpf_attr attributes{};
  attributes.info.bpf_fd = static_cast<std::uint32_t>(fd);
  attributes.info.info_len = sizeof(info);
  attributes.info.info = address(&info);
  return bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) == 0;
}

bool is_program(std::uint32_t id, const char* name) {
  bpf_attr attributes{};
  attributes.prog_id = id;
  const int fd = static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attributes));
  bpf_prog_info info{};
  const bool is_it = fd >= 0 && ask(fd, info) && std::strcmp(info.name, name) == 0;
  if (fd >= 0) (void)::close(fd);
  return is_it;
}

/// Each object of a kind by its number, whichever daemon's it is; what `act` says of the last that it knows,
/// else what refused the last.
template <typename Act>
int for_each_object(bpf_cmd next_id, bpf_cmd get_fd, const Act& act) {
  int result = ENOENT;
  bpf_attr next{};
  while (bpf(next_id, next) == 0) {
    bpf_attr one{};
    one.map_id = next.next_id;  // the first of a union, as prog_id and link_id
    next.start_id = next.next_id;
    const int fd = static_cast<int>(bpf(get_fd, one));
    if (fd < 0) {
      result = errno;  // all of the node's may be denied
      continue;
    }
    const int said = act(fd);
    (void)::close(fd);
    if (said != ENOENT) result = said;
  }
  return result;
}

int detach_link(const Target&) {
  return for_each_object(BPF_LINK_GET_NEXT_ID, BPF_LINK_GET_FD_BY_ID, [](int fd) {
    bpf_link_info info{};
    if (!ask(fd, info) || !is_program(info.prog_id, "enter_keyctl")) return ENOENT;
    bpf_attr attributes{};
    attributes.link_detach.link_fd = static_cast<std::uint32_t>(fd);
    return outcome(bpf(BPF_LINK_DETACH, attributes));
  });
}

/// Writes nothing: the key is there already, and must not be.
int write_map(const Target&) {
  return for_each_object(BPF_MAP_GET_NEXT_ID, BPF_MAP_GET_FD_BY_ID, [](int fd) {
    bpf_map_info info{};
    std::int32_t key = 0;
    std::uint8_t value = 0;
    if (!ask(fd, info) || std::strcmp(info.name, "guarded_keys") != 0) return ENOENT;
    bpf_attr attributes{};
    attributes.map_fd = static_cast<std::uint32_t>(fd);
    attributes.next_key = address(&key);
    if (bpf(BPF_MAP_GET_NEXT_KEY, attributes) != 0) return ENOENT;
    attributes = {};
    attributes.map_fd = static_cast<std::uint32_t>(fd);
    attributes.key = address(&key);
    attributes.value = address(&value);
    attributes.flags = BPF_NOEXIST;
    return outcome(bpf(BPF_MAP_UPDATE_ELEM, attributes));
  });
}

const char* pins() {
  return std::getenv("AKM_ATTACK_PINS");
}

/// A link of the group, by its pin; empty when there is none.
std::string pin_of(const std::string& group) {
  std::string found;
  DIR* folder = pins() == nullptr ? nullptr : ::opendir(pins());
  while (const dirent* one = folder == nullptr ? nullptr : ::readdir(folder)) {
    const std::string name = one->d_name;
    if (name.starts_with("link-") && name.find("-" + group + "-") != std::string::npos) found = name;
  }
  if (folder != nullptr) (void)::closedir(folder);
  return found;
}

int remove_pin(const Target&) {
  const std::string name = pin_of("rings");
  if (name.empty()) return kUnavailable;
  return outcome(::unlink((std::string(pins()) + "/" + name).c_str()));
}

int remove_pin_by_folder(const Target&) {
  const std::string name = pin_of("clock");
  if (name.empty()) return kUnavailable;
  return outcome(::unlinkat(::open(pins(), O_PATH | O_DIRECTORY | O_CLOEXEC), name.c_str(), 0));
}

int mount_over_pins(const Target&) {
  if (pins() == nullptr) return kUnavailable;
  const int result = outcome(::mount("none", pins(), "tmpfs", 0, nullptr));
  (void)::usleep(300'000);  // who looks at the mounts looks when they change
  return result != 0 ? result : outcome(::umount2(pins(), MNT_DETACH));
}

constexpr unsigned kFlood = 400;
constexpr unsigned kProcesses = 20;

void look_again_and_again(const Target& target, unsigned times) {
  const std::string memory = "/proc/" + std::to_string(target.pid) + "/mem";
  for (unsigned i = 0; i < times; ++i) (void)open_once(memory, O_RDONLY);
}

/// More of one critical thing than there is room for: what is lost is to be told.
int flood(const Target& target) {
  look_again_and_again(target, kFlood);
  return 0;
}

/// The same by many, each within what one may.
int flood_by_many(const Target& target) {
  for (unsigned i = 0; i < kProcesses; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      look_again_and_again(target, kFlood / kProcesses);
      ::_exit(0);
    }
  }
  while (::wait(nullptr) > 0) {
  }
  return 0;
}

int open_other_files(const Target&) {
  for (unsigned i = 0; i < kFlood; ++i) {
    if (const int failed = open_once("/proc/self/mem", O_RDONLY); failed != 0) return failed;
  }
  return 0;
}

int list_pins(const Target&) {
  return pins() == nullptr || !pin_of("keys").empty() ? 0 : kUnavailable;
}

int count_links(const Target&) {
  bpf_attr next{};
  while (bpf(BPF_LINK_GET_NEXT_ID, next) == 0) next.start_id = next.next_id;
  return 0;
}

constexpr Attack kTable[] = {
    {"d6-map-write", "D6", "bpf-tampering", Kind::attack, write_map},
    {"ok6-links", "D6", "bpf-tampering", Kind::benign, count_links},
    {"d32-flood", "D32", "sensor-impaired", Kind::attack, flood},
    {"d32-many", "D32", "sensor-impaired", Kind::around, flood_by_many},
    {"ok32-files", "D32", "sensor-impaired", Kind::benign, open_other_files},
    {"ok7-list", "D7", "sensor-tampering", Kind::benign, list_pins},
    {"d7-detach", "D7", "sensor-tampering", Kind::attack, detach_link},
    {"d7-over", "D7", "sensor-tampering", Kind::attack, mount_over_pins},
    {"d7-unpin", "D7", "sensor-tampering", Kind::attack, remove_pin},
    {"d7-unpin-at", "D7", "sensor-impaired", Kind::around, remove_pin_by_folder},
};

}  // namespace

std::span<const Attack> on_sensor() {
  return kTable;
}

}  // namespace akm::attacks
