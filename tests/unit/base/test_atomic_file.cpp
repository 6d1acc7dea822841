#include "daemon/base/atomic_file.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Folder {
  Folder() {
    char name[] = "/tmp/akm-atomic-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const char* name) const { return path + "/" + name; }
  [[nodiscard]] std::size_t entries() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path)) ++count;
    return count;
  }
  std::string path;
};

mode_t mode_of(const std::string& path) {
  struct stat status{};
  cr_assert_eq(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

}  // namespace

Test(atomic_file, writes_replaces_and_reads) {
  const Folder folder;
  const std::string path = folder.file("a");
  ::umask(077);
  cr_assert(akm::write_file_atomically(path, Bytes{1, 2, 3}, 0640));
  cr_assert_eq(mode_of(path), 0640, "the mode is not reduced by the umask");
  cr_assert(akm::write_file_atomically(path, Bytes{4}, 0600));
  cr_assert_eq(mode_of(path), 0600);
  const auto read = akm::read_file(path, 16);
  cr_assert(read);
  cr_assert(*read == Bytes{4});
  cr_assert_eq(folder.entries(), 1, "no temporary file stays");
}

Test(atomic_file, several_files_at_once) {
  const Folder folder;
  cr_assert(akm::write_file_atomically(folder.file("a"), Bytes{1}, 0600));
  cr_assert(akm::write_files_atomically(folder.path, {{"a", {2}}, {"b", {3, 4}}}, 0640));
  cr_assert(*akm::read_file(folder.file("a"), 16) == Bytes{2});
  cr_assert(*akm::read_file(folder.file("b"), 16) == (Bytes{3, 4}));
  cr_assert_eq(mode_of(folder.file("a")), 0640);
  cr_assert_eq(folder.entries(), 2, "no temporary file stays");
  cr_assert(akm::write_files_atomically(folder.path, {}, 0600));

  cr_assert_not(akm::write_files_atomically(folder.path, {{"a", {5}}, {"../b", {6}}}, 0600));
  cr_assert(*akm::read_file(folder.file("a"), 16) == Bytes{2}, "a name that is none changes nothing");
  std::filesystem::create_directory(folder.file("c"));
  cr_assert_not(akm::write_files_atomically(folder.path, {{"a", {5}}, {"c", {6}}, {"b", {7}}}, 0600));
  cr_assert(*akm::read_file(folder.file("a"), 16) == Bytes{5}, "those before the one that failed may be new");
  cr_assert(*akm::read_file(folder.file("b"), 16) == (Bytes{3, 4}), "those after it are not");
  cr_assert_eq(folder.entries(), 3, "no temporary file stays");
}

Test(atomic_file, makes_the_last_folder_of_a_path) {
  const Folder folder;
  ::umask(0);
  cr_assert(akm::make_folder(folder.file("state")));
  cr_assert_eq(mode_of(folder.file("state")), 0700);
  cr_assert(akm::make_folder(folder.file("state")), "it is there");
  cr_assert_not(akm::make_folder(folder.file("no/state")));
  cr_assert(akm::write_file_atomically(folder.file("a"), Bytes{1}, 0600));
  cr_assert_not(akm::make_folder(folder.file("a")), "a file");
}

Test(atomic_file, an_empty_file_is_a_file) {
  const Folder folder;
  cr_assert(akm::write_file_atomically(folder.file("empty"), {}, 0600));
  const auto read = akm::read_file(folder.file("empty"), 0);
  cr_assert(read);
  cr_assert(read->empty());
}

Test(atomic_file, create_never_replaces) {
  const Folder folder;
  cr_assert(akm::create_file_atomically(folder.file("a"), Bytes{1}, 0600));
  const auto again = akm::create_file_atomically(folder.file("a"), Bytes{2}, 0600);
  cr_assert(!again);
  cr_assert(again.error().code == akm::Errc::already_exists);
  cr_assert(*akm::read_file(folder.file("a"), 16) == Bytes{1});
  cr_assert_eq(folder.entries(), 1);
}

Test(atomic_file, reading_is_bounded_and_says_what_is_missing) {
  const Folder folder;
  cr_assert(akm::write_file_atomically(folder.file("a"), Bytes(10, 7), 0600));
  cr_assert(akm::read_file(folder.file("a"), 9).error().code == akm::Errc::too_large);
  cr_assert(akm::read_file(folder.file("a"), 10));
  cr_assert(akm::read_file(folder.file("b"), 9).error().code == akm::Errc::not_found);
  cr_assert(akm::read_file(folder.path, 9).error().code == akm::Errc::storage_failed);
  cr_assert(akm::read_secret_file(folder.file("a"), 9).error().code == akm::Errc::too_large);
  const auto secret = akm::read_secret_file(folder.file("a"), 10);
  cr_assert(secret);
  cr_assert_eq(secret->size(), 10);
  cr_assert_eq(secret->reveal()[9], 7);
}

Test(atomic_file, a_fifo_does_not_hang) {
  const Folder folder;
  cr_assert_eq(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
  cr_assert(!akm::read_file(folder.file("fifo"), 16));
}

Test(atomic_file, a_missing_folder_or_bad_name_is_an_error) {
  const Folder folder;
  cr_assert(akm::write_file_atomically(folder.file("no/a"), Bytes{1}, 0600).error().code ==
            akm::Errc::storage_failed);
  cr_assert(akm::write_file_atomically(folder.path + "/", Bytes{1}, 0600).error().code ==
            akm::Errc::invalid_argument);
  cr_assert(akm::write_file_atomically("", Bytes{1}, 0600).error().code == akm::Errc::invalid_argument);
}

// A write that fails half-way: the file size limit stands in for a full disk.
Test(atomic_file, a_failed_write_keeps_the_old_file) {
  const Folder folder;
  cr_assert(akm::write_file_atomically(folder.file("a"), Bytes{1}, 0600));
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{4096, RLIM_INFINITY};
  cr_assert_eq(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto written = akm::write_file_atomically(folder.file("a"), Bytes(8192, 2), 0600);
  const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
  cr_assert_eq(::setrlimit(RLIMIT_FSIZE, &none), 0);
  cr_assert(!written);
  cr_assert(written.error().code == akm::Errc::storage_failed);
  cr_assert(*akm::read_file(folder.file("a"), 16) == Bytes{1});
  cr_assert_eq(folder.entries(), 1);
}

Test(atomic_file, a_full_disk_is_named) {
  // A tmpfs of one page.
  const Folder folder;
  if (::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=4096") != 0) cr_skip("needs root and mount(2)");
  const auto written = akm::write_file_atomically(folder.file("a"), Bytes(16384, 1), 0600);
  const bool empty = folder.entries() == 0;
  cr_assert_eq(::umount(folder.path.c_str()), 0);
  cr_assert(!written);
  cr_assert(written.error().code == akm::Errc::disk_full);
  cr_assert(empty);
}

Test(atomic_file, temporary_names_are_told_from_others) {
  cr_assert(akm::is_temporary_file_name(".kek.sealed.0123456789abcdef.tmp"));
  cr_assert(!akm::is_temporary_file_name("kek.sealed"));
  cr_assert(!akm::is_temporary_file_name("kek.sealed.0123456789abcdef.tmp"));
  cr_assert(!akm::is_temporary_file_name(".kek.sealed.0123456789abcdeX.tmp"));
  cr_assert(!akm::is_temporary_file_name(".0123456789abcdef.tmp"));
  cr_assert(!akm::is_temporary_file_name(".tmp"));
  cr_assert(!akm::is_temporary_file_name(""));
}
