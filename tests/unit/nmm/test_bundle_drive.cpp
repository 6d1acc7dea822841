#include "daemon/nmm/bundle_drive.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace akm;
using namespace akm::nmm;
namespace fs = std::filesystem;

namespace {

struct Drive {
  fs::path folder;
  Drive() {
    std::string pattern = (fs::temp_directory_path() / "akm-drive-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  Drive(const Drive&) = delete;
  ~Drive() { fs::remove_all(folder); }
};

const std::vector<std::uint8_t> kBytes{1, 2, 3, 4, 5};

Result<std::string> write_in(const fs::path& folder, const char* name,
                             const std::vector<std::uint8_t>& bytes) {
  auto target = BundleTarget::open(folder, false);
  if (!target) return std::unexpected(target.error());
  return write_bundle_file(*target, name, bytes);
}

Status place_in(const fs::path& folder, const char* name) {
  return check_bundle_place(*BundleTarget::open(folder, false), name);
}

std::vector<char> content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

Test(bundle_drive, writes_a_private_file_and_nothing_else) {
  const Drive drive;
  const auto path = write_in(drive.folder, "node-1", kBytes);
  cr_assert(path.has_value());
  cr_assert_eq(*path, (drive.folder / "node-1.akmbundle").string());
  cr_assert_eq(content_of(*path).size(), kBytes.size());
  struct stat there{};
  cr_assert_eq(::stat(path->c_str(), &there), 0);
  cr_assert_eq(there.st_mode & 07777U, 0600U);
  cr_assert_eq(std::distance(fs::directory_iterator(drive.folder), {}), 1);
}

Test(bundle_drive, never_overwrites) {
  const Drive drive;
  cr_assert(write_in(drive.folder, "n", kBytes).has_value());
  cr_assert(write_in(drive.folder, "n", std::vector<std::uint8_t>{9}).error().code == Errc::already_exists);
  cr_assert(place_in(drive.folder, "n").error().code == Errc::already_exists);
  cr_assert_eq(content_of(drive.folder / "n.akmbundle").size(), kBytes.size());
}

Test(bundle_drive, follows_no_symbolic_link_on_the_drive) {
  const Drive drive;
  const Drive host;
  const fs::path victim = host.folder / "victim";
  std::ofstream(victim) << "precious";
  fs::create_symlink(victim, drive.folder / "n.akmbundle");
  cr_assert(write_in(drive.folder, "n", kBytes).error().code == Errc::already_exists);
  fs::create_symlink(victim, drive.folder / ".m.akmbundle.new");
  cr_assert(write_in(drive.folder, "m", kBytes).has_value(), "the link is removed as a name");
  cr_assert_eq(content_of(victim).size(), 8U);
  fs::create_symlink(host.folder / "nowhere", drive.folder / "k.akmbundle");
  cr_assert(write_in(drive.folder, "k", kBytes).error().code == Errc::already_exists, "a dangling one too");
  cr_assert_not(fs::exists(host.folder / "nowhere"));
}

Test(bundle_drive, a_leftover_that_cannot_be_removed_is_an_error) {
  const Drive drive;
  fs::create_directory(drive.folder / ".n.akmbundle.new");
  cr_assert_not(write_in(drive.folder, "n", kBytes).has_value());
  cr_assert_not(fs::exists(drive.folder / "n.akmbundle"));
}

Test(bundle_drive, a_directory_that_is_none_is_refused) {
  const Drive drive;
  cr_assert(write_in(drive.folder / "absent", "n", kBytes).error().code == Errc::not_found);
  std::ofstream(drive.folder / "file") << "x";
  cr_assert(write_in(drive.folder / "file", "n", kBytes).error().code == Errc::io_failed);
}

Test(bundle_drive, names_that_could_be_paths_are_refused) {
  for (const char* name : {"", ".", "..", "a/b", "../x", ".hidden", "a b", "a\n", "\xc3\xa4"}) {
    cr_assert(check_node_name(name).error().code == Errc::invalid_argument, "%s", name);
  }
  cr_assert_not(check_node_name(std::string(65, 'a')).has_value());
  for (const char* name : {"a", "node-1.example_X"}) cr_assert(check_node_name(name).has_value());
}
