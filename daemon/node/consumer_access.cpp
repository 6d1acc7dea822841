#include "daemon/node/consumer_access.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/node/data_access.h"

namespace akm::node {
namespace {

/// A process that is held while it is looked at: its number cannot come to stand for another one unseen.
class HeldProcess {
 public:
  explicit HeldProcess(const Caller& caller)
      : pid_(caller.pid),
        opened_(caller.process ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, caller.pid, 0))),
        fd_(caller.process ? caller.process.get() : opened_.get()) {}

  /// Of the program that it runs; none when it has ended.
  [[nodiscard]] std::optional<struct stat> executable() const {
    struct stat info{};
    if (pid_ <= 0 || fd_ < 0) return std::nullopt;
    const std::string path = "/proc/" + std::to_string(pid_) + "/exe";
    if (::stat(path.c_str(), &info) != 0) return std::nullopt;
    // Still there, so it was it that the path stood for.
    pollfd ended{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&ended, 1, 0) != 0) return std::nullopt;
    return info;
  }

 private:
  pid_t pid_;
  UniqueFd opened_;
  int fd_;
};

Status runs(const Caller& caller, const std::string& executable) {
  struct stat wanted{};
  if (::stat(executable.c_str(), &wanted) != 0)
    return fail(Errc::not_authorized, "the executable of the configuration is not there: " + executable);
  const auto running = HeldProcess(caller).executable();
  if (!running) return fail(Errc::not_authorized, "the program that asks cannot be looked at");
  if (running->st_dev != wanted.st_dev || running->st_ino != wanted.st_ino)
    return fail(Errc::not_authorized, "another program than " + executable + " asks");
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
