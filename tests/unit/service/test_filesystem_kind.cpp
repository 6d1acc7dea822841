#include "daemon/service/filesystem_kind.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "tests/support/run_program.h"
#include "tests/support/temporary_folder.h"

using namespace akm::service;
using akm::test::TemporaryFolder;

namespace {

using Head = std::vector<std::uint8_t>;

void put(Head& head, std::size_t at, std::string_view text) {
  std::ranges::copy(text, head.begin() + static_cast<std::ptrdiff_t>(at));
}

}  // namespace

Test(filesystem_kind, what_mkfs_makes_is_known) {
  const std::vector<std::pair<std::vector<std::string>, Filesystem>> makers{
      {{"mkfs.vfat", "-F", "12"}, Filesystem::vfat},
      {{"mkfs.vfat", "-F", "16"}, Filesystem::vfat},
      {{"mkfs.vfat", "-F", "32"}, Filesystem::vfat},
      {{"mkfs.ext4", "-q"}, Filesystem::ext4}};
  for (auto [command, kind] : makers) {
    const TemporaryFolder folder;
    const std::string image = folder.file("image");
    (void)akm::test::run_program({"truncate", "-s", kind == Filesystem::vfat ? "40M" : "8M", image});
    command.push_back(image);
    const auto made = akm::test::run_program(command);
    if (made.exit_code == 127) cr_skip_test("%s is not installed", command.front().c_str());
    cr_assert(kind == Filesystem::ext4 || made.exit_code == 0 || command[2] == "12", "%s",
              made.output.c_str());
    if (made.exit_code != 0) continue;  // FAT12 is for smaller ones
    Head head(kFilesystemHeadBytes);
    std::ifstream(image, std::ios::binary)
        .read(reinterpret_cast<char*>(head.data()), static_cast<std::streamsize>(head.size()));
    cr_assert_eq(filesystem_of(head), kind, "%s %s", command.front().c_str(), command[2].c_str());
  }
}

Test(filesystem_kind, others_are_named_and_do_not_carry_bundles) {
  Head head(kFilesystemHeadBytes);
  cr_assert_eq(filesystem_of(head), Filesystem::none);
  cr_assert_eq(filesystem_of({}), Filesystem::none);
  put(head, 3, "EXFAT   ");
  cr_assert_eq(filesystem_of(head), Filesystem::exfat);
  put(head, 3, "NTFS    ");
  cr_assert_eq(filesystem_of(head), Filesystem::ntfs);
  put(head, 3, "        ");
  put(head, 0, "LUKS\xba\xbe");
  cr_assert_eq(filesystem_of(head), Filesystem::luks);
  for (const Filesystem kind : {Filesystem::none, Filesystem::vfat, Filesystem::ext4, Filesystem::exfat,
                                Filesystem::ntfs, Filesystem::luks, Filesystem::ambiguous}) {
    cr_assert_not(filesystem_name(kind).empty());
    cr_assert_eq(carries_bundles(kind), kind == Filesystem::vfat || kind == Filesystem::ext4);
  }
}

Test(filesystem_kind, two_at_once_are_none) {
  Head head(kFilesystemHeadBytes);
  put(head, 82, "FAT32   ");
  cr_assert_eq(filesystem_of(head), Filesystem::none, "without the mark of a boot sector");
  put(head, 510, "\x55\xaa");
  cr_assert_eq(filesystem_of(head), Filesystem::vfat);
  put(head, 1080, "\x53\xef");
  cr_assert_eq(filesystem_of(head), Filesystem::ambiguous);
  head.resize(1081);
  cr_assert_eq(filesystem_of(head), Filesystem::vfat, "half a magic is none");
}
