#pragma once
// Which program hangs where, for which detection: data, tried in order. A better tier (BPF LSM) is a row
// before these.
#include <cstdint>
#include <span>
#include <string_view>

namespace akm::bpf {

/// What is chosen as a whole; io_uring is the pairing of D2 and D10 and may fail alone.
enum class Group : std::uint8_t { keys, process, folders, io_uring };
inline constexpr Group kGroups[] = {Group::keys, Group::process, Group::folders, Group::io_uring};
std::string_view group_name(Group group);

enum class Need : std::uint8_t {
  required,
  optional,  // the system call or tracepoint may be younger or older than the kernel
};

struct Attachment {
  std::string_view program;   // in akm_probes.bpf.c
  std::string_view category;  // of the tracepoint, or "raw"
  std::string_view event;
  std::uint64_t cookie = 0;  // AKM_COOKIE, for programs that serve many calls
  Need need = Need::required;
};

struct Variant {
  Group group{};
  std::string_view tier;
  std::span<const Attachment> attachments;
};

/// By group, best first.
std::span<const Variant> variants();

}  // namespace akm::bpf
