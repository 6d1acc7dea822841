#include "daemon/service/bundle_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/protocol/bundle.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;
using akm::test::TemporaryFolder;

namespace {

Errc refusal(const std::string& path) {
  const auto file = BundleFile::open(path);
  cr_assert_not(file.has_value(), "was opened: %s", path.c_str());
  return file.error().code;
}

}  // namespace

Test(bundle_file, is_read_and_consumed_with_a_receipt) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.akmbundle", "content");
  auto file = BundleFile::open(path);
  cr_assert(file.has_value());
  cr_assert_eq(file->bytes().size(), 7);
  cr_assert(file->consume("receipt").has_value());
  cr_assert_not(std::filesystem::exists(path));
  cr_assert_eq(std::filesystem::file_size(folder.file("a.akmreceipt")), 7);
}

Test(bundle_file, what_is_overwritten_is_the_object_that_was_read) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.akmbundle", "content");
  auto file = BundleFile::open(path);
  cr_assert(file.has_value());
  std::filesystem::rename(path, folder.file("moved"));
  folder.write("a.akmbundle", "another");
  cr_assert_not(file->consume("receipt").has_value());
  cr_assert(std::filesystem::exists(path), "another file was removed");
  std::ifstream moved(folder.file("moved"));
  cr_assert_eq(moved.get(), 0, "the bundle was not overwritten");
}

Test(bundle_file, only_plain_paths) {
  const TemporaryFolder folder;
  folder.write("a.akmbundle", "content");
  for (const std::string& path :
       {std::string("a.akmbundle"), folder.path() + "/../x.akmbundle", folder.path() + "/./a.akmbundle",
        folder.path() + "//a.akmbundle", folder.path() + "/a.txt", std::string("/")}) {
    cr_assert_eq(refusal(path), Errc::invalid_argument);
  }
  cr_assert_eq(refusal(folder.file("none.akmbundle")), Errc::not_found);
  cr_assert_eq(refusal("/nonexistent/none.akmbundle"), Errc::not_found);
}

Test(bundle_file, only_plain_files) {
  const TemporaryFolder folder;
  folder.write("real", "content");
  std::filesystem::create_symlink(folder.file("real"), folder.file("link.akmbundle"));
  cr_assert_eq(refusal(folder.file("link.akmbundle")), Errc::invalid_argument);
  cr_assert_eq(::mkfifo(folder.file("fifo.akmbundle").c_str(), 0600), 0);
  cr_assert_eq(refusal(folder.file("fifo.akmbundle")), Errc::invalid_argument);
  std::filesystem::create_directory(folder.file("folder.akmbundle"));
  cr_assert_eq(refusal(folder.file("folder.akmbundle")), Errc::invalid_argument);
  if (::geteuid() == 0 &&
      ::mknod(folder.file("device.akmbundle").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0) {
    cr_assert_eq(refusal(folder.file("device.akmbundle")), Errc::invalid_argument);
  }
}

Test(bundle_file, only_small_files) {
  const TemporaryFolder folder;
  cr_assert_eq(refusal(folder.write("empty.akmbundle", "")), Errc::truncated);
  cr_assert_eq(refusal(folder.write("big.akmbundle", std::string(protocol::kBundleBytes + 1, 'x'))),
               Errc::too_large);
}

Test(bundle_file, a_receipt_is_never_written_through_a_link) {
  const TemporaryFolder folder;
  folder.write("precious", "content");
  std::filesystem::create_symlink(folder.file("precious"), folder.file("a.akmreceipt"));
  auto file = BundleFile::open(folder.write("a.akmbundle", "content"));
  cr_assert(file->consume("receipt").has_value());
  std::ifstream precious(folder.file("precious"));
  std::string text;
  precious >> text;
  cr_assert_eq(text, "content");
}

Test(bundle_file, names_are_plain) {
  for (const char* name : {"a.akmbundle", "node-1.example_X.akmbundle"})
    cr_assert(is_bundle_name(name), "%s", name);
  for (const char* name : {"", ".akmbundle", "..akmbundle", ".a.akmbundle", "a b.akmbundle", "a/b.akmbundle",
                           "a.akmbundle.new", "a.AKMBUNDLE", "\xc3\xa4.akmbundle", "a\n.akmbundle"}) {
    cr_assert_not(is_bundle_name(name), "%s", name);
  }
  cr_assert(is_bundle_name(std::string(64, 'a') + ".akmbundle"));
  cr_assert_not(is_bundle_name(std::string(65, 'a') + ".akmbundle"));
}

Test(bundle_file, a_folder_is_listed_within_bounds) {
  const TemporaryFolder folder;
  const auto list = [&folder] {
    const UniqueFd fd(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return list_bundles(fd.get());
  };
  cr_assert(list()->empty());
  folder.write("b.akmbundle", "x");
  folder.write("a.akmbundle", "x");
  folder.write("readme.txt", "x");
  cr_assert(*list() == (std::vector<std::string>{"a.akmbundle", "b.akmbundle"}));
  for (std::size_t i = 0; i < kBundlesOnDrive; ++i) folder.write(std::to_string(i) + ".akmbundle", "x");
  cr_assert_eq(list().error().code, Errc::limit_exceeded);
  const TemporaryFolder full;
  for (std::size_t i = 0; i < kEntriesOnDrive; ++i) full.write(std::to_string(i), "");
  const UniqueFd fd(::open(full.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  cr_assert_eq(list_bundles(fd.get()).error().code, Errc::limit_exceeded);
  cr_assert_eq(list_bundles(-1).error().code, Errc::io_failed);
}
