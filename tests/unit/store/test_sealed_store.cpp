#include "daemon/store/sealed_store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

using namespace akm;
using namespace akm::store;
namespace fs = std::filesystem;

namespace {

SystemRandom g_random;

SecretBytes<32> storage_key() {
  SecretBytes<32> key;
  std::fill(key.reveal_mutable().begin(), key.reveal_mutable().end(), std::uint8_t{0x42});
  return key;
}

class Folder {
 public:
  Folder() { cr_assert_not_null(mkdtemp(path_.data())); }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  [[nodiscard]] std::string state() const { return path_ + "/state"; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/akm-store-XXXXXX";
};

std::unique_ptr<SealedStore> open_store(const std::string& folder) {
  auto store = SealedStore::open(folder, storage_key(), g_random);
  cr_assert(store.has_value(), "%s", store ? "" : store.error().message().c_str());
  return std::move(*store);
}

std::vector<std::uint8_t> record(std::uint8_t value, std::size_t size = 100) {
  return std::vector<std::uint8_t>(size, value);
}

bool holds(SealedStore& store, std::string_view name, const std::vector<std::uint8_t>& expected) {
  const auto got = store.read(name);
  return got && std::equal(expected.begin(), expected.end(), got->reveal().begin(), got->reveal().end());
}

// A small file system of its own, so that a full disk is a real one. Needs root.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& at, const char* options) : at_(at) {
    cr_assert_eq(mkdir(at.c_str(), 0700), 0);
    mounted_ = mount("tmpfs", at.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) (void)umount2(at_.c_str(), MNT_DETACH);
  }
  [[nodiscard]] bool mounted() const { return mounted_; }
  [[nodiscard]] bool make_read_only() const {
    return mount(nullptr, at_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }

 private:
  std::string at_;
  bool mounted_ = false;
};

}  // namespace

Test(sealed_store, writes_reads_lists_and_removes) {
  const Folder folder;
  {
    const auto store = open_store(folder.state());
    cr_assert(store->list().value().empty());
    cr_assert(store->read("asr-1").error().code == Errc::not_found);
    cr_assert(store->write("asr-2", record(2)).has_value());
    cr_assert(store->write("asr-1", record(1)).has_value());
    cr_assert(store->write("asr-1", record(3, 5000)).has_value());
  }
  const auto store = open_store(folder.state());
  cr_assert(holds(*store, "asr-1", record(3, 5000)));
  cr_assert(holds(*store, "asr-2", record(2)));
  cr_assert(store->list().value() == (std::vector<std::string>{"asr-1", "asr-2"}));
  cr_assert(store->remove("asr-1").has_value());
  cr_assert(store->remove("asr-1").has_value());  // gone: no error
  cr_assert(store->read("asr-1").error().code == Errc::not_found);
  cr_assert(store->list().value() == (std::vector<std::string>{"asr-2"}));
}

Test(sealed_store, several_records_in_one_writing) {
  const Folder folder;
  const auto store = open_store(folder.state());
  const auto first = record(1);
  const auto second = record(2, kRecordMaxBytes);
  const std::vector<NamedRecord> both{{"a", first}, {"b", second}};
  cr_assert(store->write_all(both).has_value());
  cr_assert(holds(*store, "a", first));
  cr_assert(holds(*store, "b", second));
  const auto too_large = record(3, kRecordMaxBytes + 1);
  const std::vector<NamedRecord> one_is_bad{{"a", second}, {"b", too_large}};
  cr_assert(store->write_all(one_is_bad).error().code == Errc::too_large);
  const std::vector<NamedRecord> no_name{{"a", second}, {"../b", first}};
  cr_assert(store->write_all(no_name).error().code == Errc::invalid_argument);
  cr_assert(holds(*store, "a", first), "nothing was written");
}

Test(sealed_store, permissions_are_the_owners_alone) {
  (void)umask(0);
  const Folder folder;
  cr_assert_eq(mkdir(folder.state().c_str(), 0755), 0);
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1)).has_value());
  struct stat status{};
  cr_assert_eq(stat(folder.state().c_str(), &status), 0);
  cr_assert_eq(status.st_mode & 07777, 0700);
  cr_assert_eq(stat((folder / "state/a").c_str(), &status), 0);
  cr_assert_eq(status.st_mode & 07777, 0600);
}

Test(sealed_store, names_cannot_leave_the_folder) {
  const Folder folder;
  const auto store = open_store(folder.state());
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../a"), std::string("a/b"),
        std::string(".lock"), std::string("A"), std::string("a b"), std::string("-a"), std::string("a\0b", 3),
        std::string("\xc3\xa4"), std::string(97, 'a')}) {
    cr_assert(store->write(name, record(1)).error().code == Errc::invalid_argument, "%s", name.c_str());
    cr_assert(store->read(name).error().code == Errc::invalid_argument);
    cr_assert(store->remove(name).error().code == Errc::invalid_argument);
  }
  cr_assert(store->write(std::string(96, 'a'), record(1)).has_value());
  cr_assert(store->write("a.b_c-9", record(1)).has_value());
}

Test(sealed_store, a_forgotten_state_takes_and_gives_nothing) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", std::vector<std::uint8_t>{1}));
  store->forget();
  cr_assert_eq(store->read("a").error().code, Errc::wrong_state);
  cr_assert_eq(store->write("b", std::vector<std::uint8_t>{1}).error().code, Errc::wrong_state);
  const std::vector<std::uint8_t> bytes{1};
  const NamedRecord one{"c", bytes};
  cr_assert_eq(store->write_all({&one, 1}).error().code, Errc::wrong_state);
  cr_assert_eq(store->list()->size(), 1U);
}

Test(sealed_store, two_openings_of_one_folder_are_busy) {
  const Folder folder;
  auto first = open_store(folder.state());
  cr_assert(SealedStore::open(folder.state(), storage_key(), g_random).error().code == Errc::busy);
  first.reset();
  cr_assert(SealedStore::open(folder.state(), storage_key(), g_random).has_value());
}

Test(sealed_store, any_changed_byte_is_an_error_and_the_file_is_kept) {
  constexpr off_t kVersionAt = 4;
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1)).has_value());
  const auto size = static_cast<off_t>(fs::file_size(folder / "state/a"));
  const int fd = open((folder / "state/a").c_str(), O_RDWR | O_CLOEXEC);
  for (off_t i = 0; i < size; ++i) {
    std::uint8_t byte = 0;
    cr_assert_eq(pread(fd, &byte, 1, i), 1);
    const auto changed = static_cast<std::uint8_t>(byte ^ 0x10);
    cr_assert_eq(pwrite(fd, &changed, 1, i), 1);
    const Errc expected = i == kVersionAt ? Errc::newer_version : Errc::state_corrupt;
    cr_assert(store->read("a").error().code == expected, "byte %ld", static_cast<long>(i));
    cr_assert_eq(pwrite(fd, &byte, 1, i), 1);
  }
  cr_assert(holds(*store, "a", record(1)));
  cr_assert_eq(ftruncate(fd, size - 1), 0);
  cr_assert(store->read("a").error().code == Errc::state_corrupt);
  cr_assert_eq(ftruncate(fd, 0), 0);
  cr_assert(store->read("a").error().code == Errc::state_corrupt);
  cr_assert_eq(ftruncate(fd, 10'000'000), 0);
  cr_assert(store->read("a").error().code == Errc::state_corrupt);
  cr_assert(fs::exists(folder / "state/a"));
  (void)close(fd);
}

Test(sealed_store, swapped_files_are_state_corrupt) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1)).has_value());
  cr_assert(store->write("b", record(2)).has_value());
  fs::rename(folder / "state/a", folder / "c");
  fs::rename(folder / "state/b", folder / "state/a");
  fs::rename(folder / "c", folder / "state/b");
  cr_assert(store->read("a").error().code == Errc::state_corrupt);
  cr_assert(store->read("b").error().code == Errc::state_corrupt);
}

Test(sealed_store, another_storage_key_opens_nothing) {
  const Folder folder;
  cr_assert(open_store(folder.state())->write("a", record(1)).has_value());
  const SecretBytes<32> other;
  const auto store = SealedStore::open(folder.state(), other, g_random).value();
  cr_assert(store->read("a").error().code == Errc::state_corrupt);
}

Test(sealed_store, size_limit) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1, kRecordMaxBytes)).has_value());
  cr_assert(holds(*store, "a", record(1, kRecordMaxBytes)));
  cr_assert(store->write("a", record(2, kRecordMaxBytes + 1)).error().code == Errc::too_large);
  cr_assert(holds(*store, "a", record(1, kRecordMaxBytes)));
}

Test(sealed_store, leftover_temporary_files_are_removed_and_others_are_not) {
  const Folder folder;
  open_store(folder.state()).reset();
  const std::string leftover = folder / "state/.a.0123456789abcdef.tmp";
  cr_assert(is_temporary_file_name(".a.0123456789abcdef.tmp"));
  std::ofstream(leftover) << "half";
  std::ofstream(folder / "state/Notes.txt") << "of the operator";
  const auto store = open_store(folder.state());
  cr_assert(!fs::exists(leftover));
  cr_assert(fs::exists(folder / "state/Notes.txt"));
  cr_assert(store->list().value().empty());
}

Test(sealed_store, a_record_is_overwritten_before_it_is_removed) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1, 9000)).has_value());
  cr_assert_eq(link((folder / "state/a").c_str(), (folder / "copy").c_str()),
               0);  // the same blocks by another name
  cr_assert(store->remove("a").has_value());
  std::ifstream file(folder / "copy", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  cr_assert_gt(bytes.size(), 9000);
  cr_assert_eq(bytes.find_first_not_of('\0'), std::string::npos);
}

Test(sealed_store, what_a_crash_leaves_of_a_removal_is_no_record) {
  cr_assert(is_temporary_file_name(".a.0000000000000000.tmp"));
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1)).has_value());
  cr_assert(store->remove("a").has_value());
  for (const auto& entry : fs::directory_iterator(folder.state()))
    cr_assert(entry.path().filename() == ".lock");
}

Test(sealed_store, what_a_crash_leaves_is_wiped_at_the_next_start) {
  const Folder folder;
  open_store(folder.state()).reset();
  const std::string leftover = folder / "state/.a.0000000000000000.tmp";
  std::ofstream(leftover) << std::string(5000, 's');
  cr_assert_eq(link(leftover.c_str(), (folder / "copy").c_str()), 0);
  (void)open_store(folder.state());
  cr_assert(!fs::exists(leftover));
  std::ifstream file(folder / "copy", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  cr_assert_eq(bytes, std::string(5000, '\0'));
}

Test(sealed_store, a_removal_that_failed_is_finished_by_the_next) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->write("a", record(1)).has_value());
  // As a removal leaves it that got no further than the name.
  fs::rename(folder / "state/a", folder / "state/.a.0000000000000000.tmp");
  cr_assert(store->remove("a").has_value());
  cr_assert(!fs::exists(folder / "state/.a.0000000000000000.tmp"));
}

Test(sealed_store, what_is_not_a_file_is_an_error) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert_eq(mkdir((folder / "state/dir").c_str(), 0700), 0);
  cr_assert(!store->read("dir").has_value());
  cr_assert(!store->write("dir", record(1)).has_value());
  cr_assert(!store->remove("dir").has_value());
  cr_assert_eq(symlink("/etc/hostname", (folder / "state/link").c_str()), 0);
  cr_assert(!store->remove("link").has_value());
  cr_assert_eq(mkfifo((folder / "state/pipe").c_str(), 0600), 0);
  for (const auto& [name, kind] : {std::pair{"dir", "a folder"}, std::pair{"link", "a symbolic link"},
                                   std::pair{"pipe", "a named pipe"}}) {
    const auto read = store->read(name);
    cr_assert(!read && read.error().code == Errc::state_corrupt && read.error().detail.ends_with(kind), "%s",
              read ? name : read.error().detail.c_str());
  }
  std::ofstream(folder / "file") << "x";
  cr_assert(SealedStore::open(folder / "file", storage_key(), g_random).error().code == Errc::storage_failed);
  cr_assert(!SealedStore::open(folder / "no/folder", storage_key(), g_random).has_value());
}

Test(sealed_store, what_is_set_aside_makes_room_and_is_kept) {
  const Folder folder;
  const auto store = open_store(folder.state());
  cr_assert(store->set_aside("a").error().code == Errc::storage_failed, "there is none");
  for (int number = 1; number <= kDamagedKept; ++number) {
    cr_assert(store->write("a", record(static_cast<std::uint8_t>(number))).has_value());
    const auto kept = store->set_aside("a");
    cr_assert(kept.has_value());
    cr_assert_eq(*kept, folder.state() + "/damaged-" + std::to_string(number) + "-a");
    cr_assert(fs::exists(*kept));
    cr_assert(store->read("a").error().code == Errc::not_found);
  }
  cr_assert(store->write("a", record(0)).has_value());
  cr_assert(store->set_aside("a").error().code == Errc::limit_exceeded);
  cr_assert(holds(*store, "a", record(0)));
  cr_assert_eq(mkdir((folder / "state/dir").c_str(), 0700), 0);
  cr_assert(store->set_aside("dir").has_value(), "whatever it is");
  cr_assert(store->write("dir", record(1)).has_value());
}

Test(sealed_store, a_full_disk_leaves_the_old_record) {
  const Folder folder;
  const SmallDisk disk(folder / "disk", "size=256k");
  if (!disk.mounted()) cr_skip_test("needs root to mount a small file system");
  const auto store = open_store(folder / "disk/state");
  cr_assert(store->write("a", record(1, 100'000)).has_value());
  const auto full = store->write("a", record(2, 250'000));
  cr_assert(!full.has_value());
  cr_assert(full.error().code == Errc::disk_full);
  cr_assert(full.error().detail.contains("it needs 249 KiB in"), "%s", full.error().detail.c_str());
  cr_assert(holds(*store, "a", record(1, 100'000)));
  for (const auto& entry : fs::directory_iterator(folder / "disk/state")) {
    cr_assert(!is_temporary_file_name(entry.path().filename().string()));
  }
  cr_assert(store->write("a", record(3, 1000)).has_value());  // and goes on when there is room
}

Test(sealed_store, a_read_only_disk_says_so) {
  const Folder folder;
  const SmallDisk disk(folder / "disk", "size=256k");
  if (!disk.mounted()) cr_skip_test("needs root to mount a small file system");
  auto store = open_store(folder / "disk/state");
  cr_assert(store->write("a", record(1)).has_value());
  cr_assert(disk.make_read_only(), "an open store is no hindrance");
  cr_assert(store->write("a", record(2)).error().code == Errc::read_only);
  cr_assert(holds(*store, "a", record(1)));
  store.reset();
  store = open_store(folder / "disk/state");
  cr_assert(holds(*store, "a", record(1)), "what is there can be read");
  cr_assert(SealedStore::open(folder / "disk/new", storage_key(), g_random).error().code == Errc::read_only);
}

namespace {

// Writes both records with growing numbers for ever; says each number that is durable.
[[noreturn]] void write_for_ever(const std::string& folder, int durable) {
  auto store = SealedStore::open(folder, storage_key(), g_random);
  if (!store) _exit(1);
  std::uint32_t first = 0;
  if (const auto old = (*store)->read("counter"))
    std::copy_n(old->reveal().begin(), 4, reinterpret_cast<std::uint8_t*>(&first));
  for (std::uint32_t number = first + 1;; ++number) {
    std::vector<std::uint8_t> bytes(64 + number % 9000, static_cast<std::uint8_t>(number));
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&number), 4, bytes.begin());
    if (!(*store)->write("counter", bytes)) _exit(2);
    if (write(durable, &number, sizeof number) != sizeof number) _exit(3);
  }
}

}  // namespace

// Killed at random times, a writer never loses what it had said to be durable, never leaves a damaged record,
// and the next one goes on from there. (kill -9 does not lose the page cache; the order of the calls is what
// makes power loss safe.)
Test(sealed_store, killed_at_random) {
  const Folder folder;
  std::mt19937 draw(11);
  std::uint32_t last_durable = 0;
  std::array<int, 2> ends{};
  cr_assert_eq(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
  for (int round = 0; round < 60; ++round) {
    const pid_t child = fork();
    if (child == 0) write_for_ever(folder.state(), ends[1]);
    const timespec wait{0, static_cast<long>(draw() % 30'000'000)};
    (void)nanosleep(&wait, nullptr);
    (void)kill(child, SIGKILL);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "the writer ended by itself: %d", WEXITSTATUS(status));
    for (std::uint32_t number = 0; read(ends[0], &number, sizeof number) == sizeof number;)
      last_durable = number;
    const auto store = open_store(folder.state());
    const auto stored = store->read("counter");
    if (last_durable == 0 && !stored) continue;
    cr_assert(stored.has_value());
    std::uint32_t number = 0;
    std::copy_n(stored->reveal().begin(), 4, reinterpret_cast<std::uint8_t*>(&number));
    cr_assert_geq(number, last_durable);
    cr_assert_leq(number, last_durable + 1);  // written, but killed before it could say so
    last_durable = number;
    cr_assert_eq(stored->size(), 64 + number % 9000);
    cr_assert_eq(stored->reveal().back(), static_cast<std::uint8_t>(number));
    for (const auto& entry : fs::directory_iterator(folder.state())) {
      cr_assert(!is_temporary_file_name(entry.path().filename().string()));
    }
  }
  cr_assert_gt(last_durable, 0);
}
