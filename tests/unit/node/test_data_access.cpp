#include "daemon/node/data_access.h"

#include <criterion/criterion.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "daemon/base/unique_fd.h"

using akm::UniqueFd;
using akm::node::DataAccess;

namespace {

constexpr uid_t kNobody = 65534;
constexpr gid_t kSome = 4242;

/// Whether `access` allows a peer that has this identity.
bool allowed(const DataAccess& access, uid_t user, const std::vector<gid_t>& groups) {
  // The credentials of a socket pair are those of its maker.
  std::array<int, 2> hand{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, hand.data()) != 0) return false;
  const UniqueFd mine(hand[0]);
  UniqueFd theirs(hand[1]);
  const pid_t child = fork();
  if (child == 0) {
    if (setgroups(groups.size(), groups.data()) != 0 || setgid(groups.at(0)) != 0 || setuid(user) != 0)
      _exit(2);
    std::array<int, 2> pair{};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair.data()) != 0) _exit(2);
    _exit(access.allows(pair[0]) ? 0 : 1);
  }
  int status = 0;
  (void)waitpid(child, &status, 0);
  cr_assert(WIFEXITED(status) && WEXITSTATUS(status) != 2, "the child could not change its identity");
  return WEXITSTATUS(status) == 0;
}

}  // namespace

Test(data_access, users_groups_and_supplementary_groups) {
  if (geteuid() != 0) cr_skip_test("changing identity needs root");
  const DataAccess access({"root"}, {"4242"});
  cr_assert(access.unknown().empty());
  cr_assert(allowed(access, 0, {0}));
  cr_assert_not(allowed(access, kNobody, {kNobody}));
  cr_assert(allowed(access, kNobody, {kSome}));
  cr_assert(allowed(access, kNobody, {kNobody, 7, kSome}));
  std::vector<gid_t> many(200, 9);
  many.back() = kSome;
  cr_assert(allowed(access, kNobody, many));
  cr_assert_not(allowed(DataAccess({"65533"}, {}), kNobody, {kNobody}));
  cr_assert(allowed(DataAccess({"65534"}, {}), kNobody, {kNobody}));
}

Test(data_access, nobody_is_allowed_by_default) {
  std::array<int, 2> pair{};
  cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair.data()), 0);
  const UniqueFd one(pair[0]);
  const UniqueFd other(pair[1]);
  cr_assert_not(DataAccess().allows(one.get()));
  cr_assert_not(DataAccess({"root"}, {}).allows(-1));
}

Test(data_access, unknown_names_are_told) {
  const DataAccess access({"no-such-user"}, {"no-such-group", "77"});
  cr_assert_eq(access.unknown().size(), 2);
  cr_assert_eq(access.unknown()[0], "user no-such-user");
  cr_assert_eq(access.unknown()[1], "group no-such-group");
  cr_assert_eq(*access.file_group(), 77);
  cr_assert_not(DataAccess({"root"}, {}).file_group().has_value());
}
