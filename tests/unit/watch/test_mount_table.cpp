#include "daemon/watch/mount_table.h"

#include <criterion/criterion.h>

using namespace akm::watch;

constexpr std::string_view kTable =
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "23 22 0:5 / /var rw - ext4 /dev/sda2 rw\n"
    "not a mount\n"
    "24 22 0:6 /a\\040b /with\\040space rw master:2 propagate_from:1 - tmpfs tmpfs rw\n";

Test(mount_table, reads_every_line_that_makes_sense) {
  const auto mounts = parse_mount_table(kTable);
  cr_assert_eq(mounts.size(), 3);
  cr_assert_eq(mounts[0].id, 22);
  cr_assert_eq(mounts[0].kind, "ext4");
  cr_assert_eq(mounts[0].source, "/dev/sda1");
  cr_assert_eq(mounts[2].point, "/with space");
  cr_assert_eq(mounts[2].root, "/a b");
  cr_assert(parse_mount_table("").empty());
  cr_assert(parse_mount_table("1 2 3:4 / /x rw shared:1\n").empty(), "without its end");
}

Test(mount_table, finds_what_a_path_is_on) {
  auto mounts = parse_mount_table(kTable);
  cr_assert_eq(mount_of(mounts, "/var/lib/akmd")->id, 23);
  cr_assert_eq(mount_of(mounts, "/variable")->id, 22, "a name that begins alike is another");
  cr_assert_eq(mount_of(mounts, "/var")->id, 23);
  mounts.push_back({.id = 30, .root = "/", .point = "/var", .kind = "tmpfs", .source = "none"});
  cr_assert_eq(mount_of(mounts, "/var/lib")->id, 30, "the one on top");
  cr_assert_null(mount_of({}, "/"));
}
