#include "daemon/base/open_beneath.h"

#include <criterion/criterion.h>
#include <fcntl.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm;
using akm::test::TemporaryFolder;

namespace {

Errc refusal(const UniqueFd& folder, const std::string& name, int flags = O_RDONLY) {
  const auto fd = open_beneath(folder.get(), name, flags, name, (flags & O_CREAT) != 0 ? 0600 : 0);
  return fd ? Errc::internal : fd.error().code;
}

}  // namespace

Test(open_beneath, opens_what_lies_in_the_folder_and_nothing_else) {
  const TemporaryFolder host;
  host.write("secret", "x");
  host.write("drive/file", "x");
  host.write("drive/sub/file", "x");
  const UniqueFd folder(::open(host.file("drive").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  cr_assert(open_beneath(folder.get(), "file", O_RDONLY, "file").has_value());
  cr_assert_eq(refusal(folder, "none"), Errc::not_found);
  cr_assert_eq(refusal(folder, "file/below"), Errc::not_found);
  cr_assert_eq(refusal(folder, "../secret"), Errc::invalid_argument);
  cr_assert_eq(refusal(folder, host.file("secret")), Errc::invalid_argument);
  std::filesystem::create_symlink(host.file("secret"), host.file("drive/link"));
  cr_assert_eq(refusal(folder, "link"), Errc::invalid_argument);
  std::filesystem::create_symlink("sub", host.file("drive/way"));
  cr_assert_eq(refusal(folder, "way/file"), Errc::invalid_argument);
}

Test(open_beneath, makes_a_new_file_only) {
  const TemporaryFolder host;
  const UniqueFd folder(::open(host.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  cr_assert(open_beneath(folder.get(), "new", O_WRONLY | O_CREAT | O_EXCL, "new", 0600).has_value());
  cr_assert_eq(refusal(folder, "new", O_WRONLY | O_CREAT | O_EXCL), Errc::already_exists);
  cr_assert_eq(refusal(folder, std::string(300, 'x')), Errc::io_failed);
}
