#include "daemon/watch/folder_events.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

namespace akm::watch {
namespace {

constexpr std::size_t kFoldersMax = 64;
constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_ONLYDIR;
constexpr int kReadsATurn = 16;

}  // namespace

FolderEvents::FolderEvents() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

void FolderEvents::add(const std::string& folder, const std::string& prefix) {
  const auto same = [&folder](const auto& one) { return one.second.folder == folder; };
  if (!fd_ || added_.size() >= kFoldersMax || std::ranges::any_of(added_, same)) return;
  const int number = ::inotify_add_watch(fd_.get(), folder.c_str(), kMask);
  if (number >= 0) added_[number] = {folder, prefix};
}

bool FolderEvents::drain() {
  bool any = false;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  for (int left = kReadsATurn; left > 0; --left) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const std::string name(event.len == 0 ? "" : buffer.data() + at + sizeof event);
      const auto found = added_.find(event.wd);
      // Of one that is not known (the queue was full) anything may be.
      any = any || found == added_.end() || name.empty() || name.starts_with(found->second.prefix);
      // A folder has gone: it is added anew when there is one of its name again.
      if ((event.mask & IN_IGNORED) != 0) added_.erase(event.wd);
      at += sizeof event + event.len;
    }
  }
  return any;
}

}  // namespace akm::watch
