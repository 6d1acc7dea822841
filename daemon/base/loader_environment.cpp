#include "daemon/base/loader_environment.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cerrno>

#include <string_view>

#include "daemon/base/unique_fd.h"

namespace akm {
namespace {

constexpr std::string_view kBindNow = "LD_BIND_NOW=";
constexpr std::string_view kTunables = "GLIBC_TUNABLES=";
constexpr std::string_view kNoCache = "glibc.malloc.tcache_count=0";

char* const* arguments_at_start = nullptr;  // main's own: they live as long as the process

std::string* find(std::vector<std::string>& environment, std::string_view start) {
  for (std::string& entry : environment) {
    if (entry.starts_with(start)) return &entry;
  }
  return nullptr;
}

/// By the descriptor: the file may have been replaced, or be out of sight, since the start. Returns on
/// failure.
int execute_self(char* const* arguments, char* const* environment) {
  const UniqueFd self(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
  return self ? ::execveat(self.get(), "", arguments, environment, AT_EMPTY_PATH) : -1;
}

}  // namespace

std::optional<std::vector<std::string>> complete_environment(std::vector<std::string> environment) {
  bool complete = true;
  const std::string* bind_now = find(environment, kBindNow);
  if (bind_now == nullptr || bind_now->size() == kBindNow.size()) {  // empty counts as unset
    complete = false;
    std::erase_if(environment, [](const std::string& entry) { return entry.starts_with(kBindNow); });
    environment.push_back(std::string(kBindNow) + "1");
  }
  std::string* tunables = find(environment, kTunables);
  if (tunables == nullptr) {
    complete = false;
    environment.push_back(std::string(kTunables) + std::string(kNoCache));
  } else if (!tunables->contains(kNoCache)) {
    complete = false;
    // The last one of a name counts.
    *tunables += (tunables->size() == kTunables.size() ? "" : ":") + std::string(kNoCache);
  }
  if (complete) return std::nullopt;
  return environment;
}

Status settle_environment(char** argv) {
  arguments_at_start = argv;
  std::vector<std::string> now;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) now.emplace_back(*entry);
  auto wanted = complete_environment(std::move(now));
  if (!wanted) {
    // A program that was started by its descriptor has that for a name.
    (void)prctl(PR_SET_NAME, program_invocation_short_name);
    return {};
  }
  std::vector<char*> entries;
  for (std::string& entry : *wanted) entries.push_back(entry.data());
  entries.push_back(nullptr);
  (void)execute_self(argv, entries.data());
  return fail_errno(Errc::internal, "cannot start anew; set LD_BIND_NOW=1 and GLIBC_TUNABLES=" +
                                        std::string(kNoCache) + " for this program");
}

Status start_anew() {
  if (arguments_at_start == nullptr)
    return fail(Errc::wrong_state, "the arguments of this program are not known");
  (void)execute_self(arguments_at_start, environ);
  return fail_errno(Errc::internal, "cannot start anew");
}

}  // namespace akm
