#include "daemon/watch/folder_events.h"

#include <criterion/criterion.h>
#include <poll.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm::watch;

Test(folder_events, changes_make_it_ready_and_reading_does_not) {
  const akm::test::TemporaryFolder folder;
  folder.write("a", "1");
  FolderEvents events;
  events.add(folder.path());
  events.add(folder.file("none"));
  cr_assert_not(events.drain());
  (void)std::filesystem::file_size(folder.file("a"));
  cr_assert_not(events.drain());
  folder.write("a", "2");
  pollfd ready{events.fd(), POLLIN, 0};
  cr_assert_eq(::poll(&ready, 1, 1000), 1);
  cr_assert(events.drain());
  cr_assert_not(events.drain());
}

Test(folder_events, names_of_others_do_not_count) {
  const akm::test::TemporaryFolder folder;
  FolderEvents events;
  events.add(folder.path(), "akm");
  folder.write("session-1.scope", "1");
  cr_assert_not(events.drain());
  folder.write("session-2.scope", "1");
  folder.write("akmd.service", "1");
  cr_assert(events.drain());
}

Test(folder_events, a_folder_that_came_again_is_taken_again) {
  const akm::test::TemporaryFolder folder;
  const std::string inner = folder.file("inner");
  std::filesystem::create_directories(inner);
  FolderEvents events;
  events.add(inner);
  std::filesystem::remove_all(inner);
  cr_assert(events.drain());
  std::filesystem::create_directories(inner);
  events.add(inner);
  folder.write("inner/x", "1");
  cr_assert(events.drain());
}
