#include "daemon/watch/folder_events.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace akm::watch {
namespace {

constexpr std::size_t kFoldersMax = 64;
constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_ONLYDIR;
constexpr int kReadsATurn = 16;

}  // namespace

FolderEvents::FolderEvents() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

void FolderEvents::add(const std::string& folder) {
  if (!fd_ || added_.size() >= kFoldersMax || std::ranges::find(added_, folder) != added_.end()) return;
  if (::inotify_add_watch(fd_.get(), folder.c_str(), kMask) >= 0) added_.push_back(folder);
}

bool FolderEvents::drain() {
  bool any = false;
  alignas(inotify_event) std::array<char, 4096> buffer{};
  for (int left = kReadsATurn; left > 0; --left) {
    const ssize_t got = ::read(fd_.get(), buffer.data(), buffer.size());
    if (got <= 0) break;
    any = true;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      // A folder has gone: it is added anew when there is one of its name again, and adding twice is
      // harmless.
      if ((event.mask & IN_IGNORED) != 0) added_.clear();
      at += sizeof event + event.len;
    }
  }
  return any;
}

}  // namespace akm::watch
