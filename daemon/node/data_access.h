#pragma once
// Who may use the data service: users and groups of this machine, by the credentials of the socket's other
// end.
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace akm::node {

/// Of a name or number; none when this machine does not know the name.
std::optional<uid_t> user_of(const std::string& name);

class DataAccess {
 public:
  DataAccess() = default;
  /// Names or numbers. Those that this machine does not know are left out and named in unknown().
  DataAccess(const std::vector<std::string>& users, const std::vector<std::string>& groups);

  /// `fd`: a connected local socket. The user, the group or a supplementary group of whoever connected is
  /// allowed.
  [[nodiscard]] bool allows(int fd) const;
  /// The group that the socket's file is given to.
  [[nodiscard]] std::optional<gid_t> file_group() const;
  /// "user NAME" or "group NAME" of each.
  [[nodiscard]] const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  std::vector<uid_t> users_;
  std::vector<gid_t> groups_;
  std::vector<std::string> unknown_;
};

}  // namespace akm::node
