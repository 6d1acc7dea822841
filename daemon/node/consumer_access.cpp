#include "daemon/node/consumer_access.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "daemon/base/hex.h"
#include "daemon/node/data_access.h"

namespace akm::node {
namespace {

struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// Without asking a file system over the network or in a program, which could keep us waiting for ever.
std::optional<FileIdentity> identity_of(const std::string& path) {
  struct statx info{};
  if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &info) != 0)
    return std::nullopt;
  return FileIdentity{(std::uint64_t{info.stx_dev_major} << 32) | info.stx_dev_minor, info.stx_ino};
}

/// When it began, in whole clock ticks of the time since boot (proc_pid_stat(5), field 22); none when it
/// cannot be read.
std::optional<Instant> start_of(pid_t pid) {
  const UniqueFd fd(::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> text{};
  const ssize_t got = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
  if (got <= 0) return std::nullopt;
  // The name in field 2 may hold anything, but it ends at the last bracket.
  std::string_view rest(text.data(), static_cast<std::size_t>(got));
  const std::size_t end = rest.rfind(')');
  if (end == std::string_view::npos) return std::nullopt;
  constexpr int kStartTime = 22;
  for (int field = 2; field < kStartTime; ++field) {
    const std::size_t blank = rest.find(' ', field == 2 ? end : 0);
    if (blank == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(blank + 1);
  }
  std::int64_t ticks = 0;
  if (std::from_chars(rest.data(), rest.data() + rest.size(), ticks).ec != std::errc{}) return std::nullopt;
  const std::int64_t a_second = ::sysconf(_SC_CLK_TCK);
  return Instant{ticks / a_second * 1'000'000'000 + ticks % a_second * (1'000'000'000 / a_second)};
}

/// A process that is held while it is looked at: its number cannot come to stand for another one unseen.
/// Where the bus gave no handle, one that began after the call came has taken over the caller's number.
class HeldProcess {
 public:
  explicit HeldProcess(const Caller& caller)
      : pid_(caller.pid),
        opened_(caller.process ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, caller.pid, 0))),
        fd_(caller.process ? caller.process.get() : opened_.get()) {
    if (caller.process || caller.asked == Instant{}) return;
    const auto start = start_of(pid_);
    too_young_ = !start || *start > caller.asked;
  }

  /// Of the program that it runs; none when it has ended.
  [[nodiscard]] std::optional<FileIdentity> executable() const {
    if (pid_ <= 0 || fd_ < 0 || too_young_) return std::nullopt;
    auto file = identity_of("/proc/" + std::to_string(pid_) + "/exe");
    // Still there, so it was it that the path stood for.
    pollfd ended{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, 0) != 0) return std::nullopt;
    return file;
  }

 private:
  pid_t pid_;
  UniqueFd opened_;
  int fd_;
  bool too_young_ = false;
};

Status runs(const Caller& caller, const std::string& executable) {
  const auto wanted = identity_of(executable);
  if (!wanted)
    return fail(Errc::not_authorized, "the executable of the configuration is not there: " + executable);
  const auto running = HeldProcess(caller).executable();
  if (!running) return fail(Errc::not_authorized, "the program that asks cannot be looked at");
  if (*running != *wanted) return fail(Errc::not_authorized, "another program than " + executable + " asks");
  return {};
}

}  // namespace

ConsumerAccess::ConsumerAccess(const std::vector<ConsumerRule>& rules) {
  for (const ConsumerRule& rule : rules) {
    entries_.push_back({rule, user_of(rule.user)});
    if (!entries_.back().user) unknown_.push_back("user " + rule.user);
  }
}

Result<const ConsumerRule*> ConsumerAccess::allow(const protocol::AsrDescription& asr, std::string_view name,
                                                  std::string_view type, const Caller& caller) const {
  Error why{Errc::not_authorized, "the configuration has no such consumer of this relationship"};
  for (const Entry& entry : entries_) {
    const ConsumerRule& rule = entry.rule;
    if (rule.name != name || (rule.asr != asr.label && rule.asr != hex_id(asr.id))) continue;
    if (entry.user != caller.uid) {
      why.detail = "the consumer is another user";
    } else if (std::ranges::find(rule.types, type) == rule.types.end()) {
      why.detail = "the consumer may not have keys of this type";
    } else if (const Status same = runs(caller, rule.executable); !same) {
      why = same.error();
    } else {
      return &rule;
    }
  }
  return std::unexpected(why);
}

}  // namespace akm::node
