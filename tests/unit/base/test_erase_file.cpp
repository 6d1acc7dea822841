#include "daemon/base/erase_file.h"

#include <criterion/criterion.h>

#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "tests/support/temporary_folder.h"

using namespace akm;

// A second name shows what is left in the blocks.
Test(erase_file, the_bytes_go_before_the_name) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("file", "secret");
  std::filesystem::create_hard_link(path, folder.file("other"));
  cr_assert(erase_file(path).has_value());
  cr_assert_not(std::filesystem::exists(path));
  cr_assert(*read_file(folder.file("other"), 16) == std::vector<std::uint8_t>(6));
  cr_assert(erase_file(path).has_value(), "it is gone already");
}

Test(erase_file, what_a_link_points_to_stays) {
  const test::TemporaryFolder folder;
  const std::string path = folder.write("file", "content");
  std::filesystem::create_symlink(path, folder.file("link"));
  cr_assert(erase_file(folder.file("link")).has_value());
  cr_assert_eq(read_file(path, 16)->at(0), 'c');
  std::filesystem::create_directory(folder.file("folder"));
  cr_assert_eq(erase_file(folder.file("folder")).error().code, Errc::storage_failed);
}
