#include "bpf/loader/decode.h"

#include <linux/keyctl.h>
#include <linux/ptrace.h>

#include <array>
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

constexpr Name kBpfNames[] = {
    {2, "map-update"},   {3, "map-delete"},   {5, "prog-load"},    {8, "prog-attach"},
    {13, "prog-get-fd"}, {14, "map-get-fd"},  {17, "raw-tp-open"}, {21, "map-lookup-and-delete"},
    {22, "map-freeze"},  {28, "link-create"}, {29, "link-update"}, {30, "link-get-fd"},
    {34, "link-detach"},
};

/// Of syslog(), and types of audit messages.
constexpr Name kLogNames[] = {
    {4, "clear"}, {5, "clear"}, {6, "console-off"}, {1001, "audit-set"}, {1012, "audit-rule-deleted"},
};

/// KEY_NEED_*: what the kernel asks its security modules.
constexpr Name kNeedNames[] = {
    {2, "read"}, {3, "write"}, {4, "search"}, {5, "link"}, {6, "setattr"}, {7, "unlink"},
};

template <std::size_t N>
std::string named(const char* prefix, const Name (&names)[N], std::uint64_t number) {
  for (const Name& name : names) {
    if (name.number == number) return std::string(prefix) + name.text;
  }
  return prefix + std::to_string(number);
}

constexpr Name kPlainNames[] = {
    {AKM_OP_ADD_KEY, "add-key"},
    {AKM_OP_REQUEST_KEY, "request-key"},
    {AKM_OP_VM_READ, "process-vm-readv"},
    {AKM_OP_VM_WRITE, "process-vm-writev"},
    {AKM_OP_PIDFD_GETFD, "pidfd-getfd"},
    {AKM_OP_OPEN_MEM, "open-proc-mem"},
    {AKM_OP_OPEN_WRITE, "open-write"},
    {AKM_OP_RENAME, "rename"},
    {AKM_OP_UNLINK, "unlink"},
    {AKM_OP_TRUNCATE, "truncate"},
    {AKM_OP_CHMOD, "chmod"},
    {AKM_OP_CHOWN, "chown"},
    {AKM_OP_XATTR, "xattr"},
    {AKM_OP_LINK, "link"},
    {AKM_OP_SYMLINK, "symlink"},
    {AKM_OP_MKDIR, "mkdir"},
    {AKM_OP_MOUNT, "mount"},
    {AKM_OP_UNMOUNT, "unmount"},
    {AKM_OP_OPEN, "open"},
    {AKM_OP_CREATE, "create"},
    {AKM_OP_MODULE, "module-load"},
    {AKM_OP_KEXEC, "kexec-load"},
    {AKM_OP_EXEC, "exec"},
    {AKM_OP_MAP_CODE, "map-code"},
    {AKM_OP_RING_SETUP, "io-uring-setup"},
    {AKM_OP_SOCKET, "socket"},
    {AKM_OP_NETLINK, "netlink"},
    {AKM_OP_SET_CLOCK, "set-clock"},
    {AKM_OP_CAPABILITY, "capabilities"},
    {AKM_OP_PTRACE_ACCESS, "ptrace-access"},
    {AKM_OP_ATTRIBUTES, "attributes"},
    {AKM_OP_CREDENTIALS, "io-uring-credentials"},
};

/// Empty for a number that no program of ours writes: it comes from outside.
std::string operation_name(const akm_event& event) {
  for (const Name& name : kPlainNames) {
    if (name.number == event.operation) return name.text;
  }
  switch (event.operation) {
    case AKM_OP_KEYCTL:
      return named("keyctl-", kKeyctlNames, event.argument);
    case AKM_OP_PTRACE:
      return named("ptrace-", kPtraceNames, event.argument);
    case AKM_OP_IO_URING:
      return named("io-uring-", kUringNames, event.argument);
    case AKM_OP_BPF:
      return named("bpf-", kBpfNames, event.argument);
    case AKM_OP_SIGNAL:
      return "signal-" + std::to_string(event.argument);
    case AKM_OP_LOG:
      return named("log-", kLogNames, event.argument);
    case AKM_OP_KEY_PERMISSION:
      return named("key-", kNeedNames, event.argument);
    default:
      return {};
  }
}

/// In the order of enum Watch.
constexpr std::uint8_t kWatches[kWatchCount] = {
    AKM_WATCH_KEY,        AKM_WATCH_PROCESS,       AKM_WATCH_STATE,         AKM_WATCH_CONFIG,
    AKM_WATCH_INSPECTION, AKM_WATCH_KERNEL_MEMORY, AKM_WATCH_MODULE,        AKM_WATCH_BPF_USE,
    AKM_WATCH_BPF_OURS,   AKM_WATCH_SENSOR,        AKM_WATCH_SIGNAL,        AKM_WATCH_TPM,
    AKM_WATCH_MOUNT,      AKM_WATCH_CORE_DUMP,     AKM_WATCH_HARDENING,     AKM_WATCH_MAC,
    AKM_WATCH_KEXEC,      AKM_WATCH_DEBUGGER,      AKM_WATCH_FILELESS,      AKM_WATCH_FOREIGN_CODE,
    AKM_WATCH_SERVICE,    AKM_WATCH_IO_URING,      AKM_WATCH_CONSUMER_KEYS, AKM_WATCH_PACKET,
    AKM_WATCH_CLOCK,      AKM_WATCH_PRIVILEGE,     AKM_WATCH_LOG,
};

std::string tier_of(std::uint8_t tier) {
  switch (tier) {
    case AKM_TIER_TRACEPOINT:
      return "tracepoint";
    case AKM_TIER_IO_URING:
      return "io_uring";
    case AKM_TIER_FENTRY:
      return "fentry";
    case AKM_TIER_LSM:
      return "lsm";
    default:
      return {};
  }
}

/// "sh\0bin\0usr\0" is /usr/bin/sh.
std::string executable_of(const akm_event& event) {
  std::string_view names(event.executable, event.executable_bytes);
  std::string out;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\0'));
    out = "/" + printable(name, name.size()) + out;
    names.remove_prefix(std::min(names.size(), name.size() + 1));
  }
  if (!out.empty() && (event.flags & AKM_FLAG_EXECUTABLE_CUT) != 0) out.insert(0, "...");
  return out;
}

std::string digest_of(const akm_event& event) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (std::size_t i = 0; i < event.digest_bytes; ++i) {
    out += {kHex[event.digest[i] >> 4], kHex[event.digest[i] & 15]};
  }
  return out;
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

constexpr std::uint32_t kKnownFlags =
    AKM_FLAG_PATH | AKM_FLAG_TRUNCATED | AKM_FLAG_SELF_TEST | AKM_FLAG_UNWATCHED | AKM_FLAG_EXECUTABLE_CUT;

bool is_time(std::uint64_t ns) {
  return ns <= static_cast<std::uint64_t>(INT64_MAX);
}

bool is_sane(const akm_event& event) {
  return event.version == AKM_EVENT_VERSION && (event.flags & ~kKnownFlags) == 0 &&
         is_time(event.boottime_ns) && is_time(event.started_boottime_ns) &&
         event.path_bytes < AKM_PATH_BYTES && event.executable_bytes <= AKM_EXECUTABLE_BYTES &&
         (event.digest_bytes == 0 || event.digest_bytes == AKM_DIGEST_BYTES);
}

}  // namespace

std::optional<Watch> watch_of(std::uint8_t watch) {
  for (std::size_t i = 0; i < kWatchCount; ++i) {
    if (kWatches[i] == watch) return static_cast<Watch>(i);
  }
  return std::nullopt;
}

std::optional<std::variant<SelfProbe, Nothing, ProbeRecord>> decode_event(
    std::span<const std::uint8_t> bytes) {
  akm_event event{};
  if (bytes.size() != sizeof(event)) return std::nullopt;
  std::memcpy(&event, bytes.data(), sizeof(event));
  if (!is_sane(event)) return std::nullopt;
  if (event.watch == AKM_WATCH_SELF) {
    if (event.operation != AKM_OP_SELF_PROBE) return std::nullopt;
    return SelfProbe{event.argument, event.tgid, event.started_boottime_ns};
  }
  const auto watch = watch_of(event.watch);
  const auto outcome = outcome_of(event.outcome);
  std::string operation = operation_name(event);
  std::string tier = tier_of(event.tier);
  if (!watch || !outcome || operation.empty() || tier.empty()) return std::nullopt;

  ProbeRecord record;
  record.watch = *watch;
  record.outcome = *outcome;
  record.operation = std::move(operation);
  record.source = std::move(tier);
  record.boottime_ns = static_cast<std::int64_t>(event.boottime_ns);
  record.pid = event.pid;
  record.tgid = event.tgid;
  record.uid = event.uid;
  record.comm = printable({event.comm, sizeof(event.comm)}, sizeof(event.comm));
  record.serial = event.serial;
  record.path = printable({event.path, event.path_bytes}, event.path_bytes);
  record.result = event.result;
  record.cgroup_id = event.cgroup_id;
  record.argument = event.argument;
  record.target = event.target;
  record.started_boottime_ns = static_cast<std::int64_t>(event.started_boottime_ns);
  record.executable = executable_of(event);
  record.executable_inode = event.executable_inode;
  record.executable_device = event.executable_device;
  record.digest = digest_of(event);
  record.parent_tgid = event.parent_tgid;
  record.parent_comm = printable({event.parent_comm, sizeof(event.parent_comm)}, sizeof(event.parent_comm));
  record.unwatched = (event.flags & AKM_FLAG_UNWATCHED) != 0;
  record.self_test = (event.flags & AKM_FLAG_SELF_TEST) != 0;

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
