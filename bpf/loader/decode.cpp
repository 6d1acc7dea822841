#include "bpf/loader/decode.h"

#include <linux/keyctl.h>
#include <linux/ptrace.h>

#include <cstring>

#include "bpf/include/akm_events.h"

namespace akm::bpf {
namespace {

struct Name {
  std::uint64_t number;
  const char* text;
};

constexpr Name kKeyctlNames[] = {
    {KEYCTL_JOIN_SESSION_KEYRING, "join-session"},
    {KEYCTL_UPDATE, "update"},
    {KEYCTL_REVOKE, "revoke"},
    {KEYCTL_CHOWN, "chown"},
    {KEYCTL_SETPERM, "setperm"},
    {KEYCTL_CLEAR, "clear"},
    {KEYCTL_LINK, "link"},
    {KEYCTL_UNLINK, "unlink"},
    {KEYCTL_SEARCH, "search"},
    {KEYCTL_READ, "read"},
    {KEYCTL_INSTANTIATE, "instantiate"},
    {KEYCTL_NEGATE, "negate"},
    {KEYCTL_SET_TIMEOUT, "set-timeout"},
    {KEYCTL_ASSUME_AUTHORITY, "assume-authority"},
    {KEYCTL_REJECT, "reject"},
    {KEYCTL_INSTANTIATE_IOV, "instantiate"},
    {KEYCTL_INVALIDATE, "invalidate"},
    {KEYCTL_GET_PERSISTENT, "get-persistent"},
    {KEYCTL_DH_COMPUTE, "dh-compute"},
    {KEYCTL_PKEY_QUERY, "pkey-query"},
    {KEYCTL_PKEY_ENCRYPT, "pkey-encrypt"},
    {KEYCTL_PKEY_DECRYPT, "pkey-decrypt"},
    {KEYCTL_PKEY_SIGN, "pkey-sign"},
    {KEYCTL_PKEY_VERIFY, "pkey-verify"},
    {KEYCTL_RESTRICT_KEYRING, "restrict"},
    {KEYCTL_MOVE, "move"},
    {KEYCTL_WATCH_KEY, "watch"},
};

constexpr Name kPtraceNames[] = {
    {PTRACE_PEEKTEXT, "peek"},           {PTRACE_PEEKDATA, "peek"},       {PTRACE_PEEKUSR, "peek"},
    {PTRACE_POKETEXT, "poke"},           {PTRACE_POKEDATA, "poke"},       {PTRACE_POKEUSR, "poke"},
    {PTRACE_ATTACH, "attach"},           {PTRACE_SEIZE, "seize"},         {PTRACE_DETACH, "detach"},
    {PTRACE_CONT, "continue"},           {PTRACE_INTERRUPT, "interrupt"}, {PTRACE_GETREGSET, "get-registers"},
    {PTRACE_SETREGSET, "set-registers"},
};

constexpr Name kUringNames[] = {
    {18, "open"}, {28, "open"}, {35, "rename"}, {36, "unlink"}, {39, "link"}, {42, "setxattr"},
};

template <std::size_t N>
std::string named(const char* prefix, const Name (&names)[N], std::uint64_t number) {
  for (const Name& name : names) {
    if (name.number == number) return std::string(prefix) + name.text;
  }
  return prefix + std::to_string(number);
}

/// Empty for a number that no program of ours writes.
std::string operation_name(const akm_event& event) {
  switch (event.operation) {
    case AKM_OP_KEYCTL:
      return named("keyctl-", kKeyctlNames, event.argument);
    case AKM_OP_ADD_KEY:
      return "add-key";
    case AKM_OP_REQUEST_KEY:
      return "request-key";
    case AKM_OP_PTRACE:
      return named("ptrace-", kPtraceNames, event.argument);
    case AKM_OP_VM_READ:
      return "process-vm-readv";
    case AKM_OP_VM_WRITE:
      return "process-vm-writev";
    case AKM_OP_PIDFD_GETFD:
      return "pidfd-getfd";
    case AKM_OP_OPEN_MEM:
      return "open-proc-mem";
    case AKM_OP_OPEN_WRITE:
      return "open-write";
    case AKM_OP_RENAME:
      return "rename";
    case AKM_OP_UNLINK:
      return "unlink";
    case AKM_OP_TRUNCATE:
      return "truncate";
    case AKM_OP_CHMOD:
      return "chmod";
    case AKM_OP_CHOWN:
      return "chown";
    case AKM_OP_XATTR:
      return "xattr";
    case AKM_OP_LINK:
      return "link";
    case AKM_OP_SYMLINK:
      return "symlink";
    case AKM_OP_MKDIR:
      return "mkdir";
    case AKM_OP_MOUNT:
      return "mount";
    case AKM_OP_UNMOUNT:
      return "unmount";
    case AKM_OP_IO_URING:
      return named("io-uring-", kUringNames, event.argument);
    default:
      return {};  // a number from outside, not an enum of ours
  }
}

std::optional<Watch> watch_of(std::uint8_t watch) {
  switch (watch) {
    case AKM_WATCH_KEY:
      return Watch::key;
    case AKM_WATCH_PROCESS:
      return Watch::process;
    case AKM_WATCH_STATE:
      return Watch::state;
    case AKM_WATCH_CONFIG:
      return Watch::config;
    default:
      return std::nullopt;
  }
}

std::optional<Outcome> outcome_of(std::uint8_t outcome) {
  switch (outcome) {
    case AKM_OUTCOME_SUCCEEDED:
      return Outcome::succeeded;
    case AKM_OUTCOME_REFUSED:
      return Outcome::refused;
    case AKM_OUTCOME_UNKNOWN:
      return Outcome::unknown;
    default:
      return std::nullopt;
  }
}

constexpr std::uint32_t kKnownFlags = AKM_FLAG_PATH | AKM_FLAG_TRUNCATED;

bool is_sane(const akm_event& event) {
  return event.version == AKM_EVENT_VERSION && (event.flags & ~kKnownFlags) == 0 &&
         event.boottime_ns <= static_cast<std::uint64_t>(INT64_MAX) && event.path_bytes < AKM_PATH_BYTES;
}

}  // namespace

std::optional<std::variant<SelfProbe, Nothing, ProbeRecord>> decode_event(
    std::span<const std::uint8_t> bytes) {
  akm_event event{};
  if (bytes.size() != sizeof(event)) return std::nullopt;
  std::memcpy(&event, bytes.data(), sizeof(event));
  if (!is_sane(event)) return std::nullopt;
  if (event.watch == AKM_WATCH_SELF) {
    if (event.operation != AKM_OP_SELF_PROBE) return std::nullopt;
    return SelfProbe{event.argument};
  }
  const auto watch = watch_of(event.watch);
  const auto outcome = outcome_of(event.outcome);
  std::string operation = operation_name(event);
  if (!watch || !outcome || operation.empty()) return std::nullopt;

  ProbeRecord record;
  record.watch = *watch;
  record.outcome = *outcome;
  record.operation = std::move(operation);
  record.source = event.operation == AKM_OP_IO_URING ? "io_uring" : "tracepoint";
  record.boottime_ns = static_cast<std::int64_t>(event.boottime_ns);
  record.pid = event.pid;
  record.tgid = event.tgid;
  record.uid = event.uid;
  record.comm = printable({event.comm, sizeof(event.comm)}, sizeof(event.comm));
  record.serial = event.serial;
  record.path = printable({event.path, event.path_bytes}, event.path_bytes);
  record.result = event.result;
  record.cgroup_id = event.cgroup_id;

  // A call for no bytes returns 0 to anybody: the kernel answers it before it looks at rights.
  const bool of_memory = event.operation == AKM_OP_VM_READ || event.operation == AKM_OP_VM_WRITE;
  if (of_memory && record.outcome == Outcome::succeeded && record.result == 0)
    record.outcome = Outcome::refused;

  // The program compares the beginning of the path only; of our /proc files just the memory matters.
  const bool cut = (event.flags & AKM_FLAG_TRUNCATED) != 0;
  if (record.watch == Watch::process && event.operation == AKM_OP_IO_URING && !cut &&
      !record.path.ends_with("/mem")) {
    return Nothing{};
  }
  return record;
}

}  // namespace akm::bpf
