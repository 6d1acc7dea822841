#include "daemon/node/data_access.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace akm::node {
namespace {

constexpr std::size_t kEntryBytes = 16 * 1024;  // of the user or group database
constexpr std::size_t kGroupsOfPeer = 65536;    // NGROUPS_MAX

std::optional<unsigned> number_of(const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<gid_t> group_of(const std::string& name) {
  if (const auto number = number_of(name)) return number;
  std::vector<char> buffer(kEntryBytes);
  group entry{};
  group* found = nullptr;
  if (getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  return entry.gr_gid;
}

std::vector<gid_t> supplementary_groups(int fd) {
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      return groups;
    }
    const std::size_t wanted = size / sizeof(gid_t);  // as the kernel says with ERANGE
    if (errno != ERANGE || wanted <= groups.size() || wanted > kGroupsOfPeer) return {};
    groups.resize(wanted);
  }
}

}  // namespace

std::optional<uid_t> user_of(const std::string& name) {
  if (const auto number = number_of(name)) return number;
  std::vector<char> buffer(kEntryBytes);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return std::nullopt;
  return entry.pw_uid;
}

DataAccess::DataAccess(const std::vector<std::string>& users, const std::vector<std::string>& groups) {
  for (const std::string& name : users) {
    if (const auto user = user_of(name)) {
      users_.push_back(*user);
    } else {
      unknown_.push_back("user " + name);
    }
  }
  for (const std::string& name : groups) {
    if (const auto group = group_of(name)) {
      groups_.push_back(*group);
    } else {
      unknown_.push_back("group " + name);
    }
  }
}

bool DataAccess::allows(int fd) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  const auto allowed = [this](gid_t group) { return std::ranges::find(groups_, group) != groups_.end(); };
  return std::ranges::find(users_, peer.uid) != users_.end() || allowed(peer.gid) ||
         (!groups_.empty() && std::ranges::any_of(supplementary_groups(fd), allowed));
}

std::optional<gid_t> DataAccess::file_group() const {
  return groups_.empty() ? std::nullopt : std::optional(groups_.front());
}

}  // namespace akm::node
