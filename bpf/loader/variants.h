#pragma once
// Which program hangs where, for which group of detections: data, tried in order, the best tier first. What
// loads and attaches must also fire (self_test.h), or the next variant takes its place.
#include <cstdint>
#include <span>
#include <string_view>

namespace akm::bpf {

/// What is chosen as a whole, by the files of bpf/programs.
enum class Group : std::uint8_t {
  keys,          // D1
  process,       // D2
  files,         // opened files: D2, D3, D4, D9, D10, D12, D13, D14, D18, D19
  folders,       // calls that name a path: D10, D7, D18, D19
  mounts,        // D11, D7
  kernel_code,   // D5, D15
  bpf_use,       // D6, D7
  signals,       // D8
  exec,          // D16, D17, D18
  capabilities,  // D31
  sockets,       // D24, D25
  clock,         // D29
  logs,          // D30
  rings,         // D20
  io_uring,      // what io_uring does instead of system calls: pairs files and folders
};
inline constexpr Group kGroups[] = {Group::keys,   Group::process,      Group::files,   Group::folders,
                                    Group::mounts, Group::kernel_code,  Group::bpf_use, Group::signals,
                                    Group::exec,   Group::capabilities, Group::sockets, Group::clock,
                                    Group::logs,   Group::rings,        Group::io_uring};
std::string_view group_name(Group group);

enum class Tier : std::uint8_t { lsm, fentry, tracepoint };
std::string_view tier_name(Tier tier);

enum class Need : std::uint8_t {
  required,
  optional,  // the system call or tracepoint may be younger or older than the kernel
};

struct Attachment {
  std::string_view program;   // in bpf/programs
  std::string_view category;  // of the tracepoint; "raw"; "lsm", "fentry" or "fexit": the program says where
  std::string_view event;     // unique within a variant: it names the link
  std::uint64_t cookie = 0;   // AKM_COOKIE, for programs that serve many calls
  Need need = Need::required;
};

struct Variant {
  Group group{};
  Tier tier = Tier::tracepoint;
  std::span<const Attachment> attachments;
  std::span<const Attachment> also = {};  // of another tier, beside them: what the first cannot see
};

/// By group, best first.
std::span<const Variant> variants();

}  // namespace akm::bpf
