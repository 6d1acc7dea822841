#include "bpf/loader/pin_folder.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

using namespace akm;
using namespace akm::bpf;

Test(pin_folder, keeps_an_object_by_name) {
  const auto folder = PinFolder::open();
  if (!folder) cr_skip_test("%s", folder.error().message().c_str());
  UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "akm_test", 4, 4, 1, nullptr));
  if (!map) cr_skip_test("no BPF maps for this user");
  cr_assert(folder->pin(map.get(), "one").has_value());
  cr_assert_not(folder->pin(map.get(), "one").has_value(), "a name is taken once");
  map.reset();
  cr_assert(static_cast<bool>(folder->get("one")));
  cr_assert_not(static_cast<bool>(folder->get("two")));
}

Test(pin_folder, what_is_no_bpf_object_is_refused) {
  const auto folder = PinFolder::open();
  if (!folder) cr_skip_test("%s", folder.error().message().c_str());
  cr_assert_not(folder->pin(0, "stdin").has_value());
}

Test(pin_folder, elsewhere_than_on_a_bpffs_is_refused_and_leaves_nothing) {
  char base[] = "/tmp/akm-pin-folder-XXXXXX";
  cr_assert_not_null(::mkdtemp(base));
  const std::string parent = std::string(base) + "/akm";
  for (const std::string& path : {std::string(base) + "/pins", parent + "/pins"}) {
    const auto folder = PinFolder::open_at(path);
    cr_assert_not(folder.has_value());
    cr_assert_not(folder.error().detail.empty());
    struct stat status{};
    cr_assert_neq(::stat(path.c_str(), &status), 0);
    cr_assert_neq(::stat(parent.c_str(), &status), 0);
  }
  cr_assert_not(PinFolder::open_at(parent + "/two/deep").has_value());
  cr_assert_eq(::rmdir(base), 0, "nothing is left in it");
}

Test(pin_folder, the_one_above_it_is_made_too_and_nobody_else_gets_in) {
  const std::string parent = "/sys/fs/bpf/akm-unit-test-above-" + std::to_string(::getpid());
  const auto folder = PinFolder::open_at(parent + "/akmd");
  if (!folder) cr_skip_test("%s", folder.error().message().c_str());
  struct stat status{};
  cr_assert_eq(::stat(parent.c_str(), &status), 0);
  cr_assert_eq(status.st_mode & 0777, 0700);
  cr_assert(PinFolder::open_at(parent + "/akm-nmmd").has_value(), "another daemon's beside it");
  for (const char* name : {"/akmd", "/akm-nmmd", ""}) cr_assert_eq(::rmdir((parent + name).c_str()), 0);
}

Test(pin_folder, one_that_outlives_its_process_is_held_by_one_and_emptied_by_it) {
  const std::string path = "/sys/fs/bpf/akm-unit-test-" + std::to_string(::getpid());
  auto folder = PinFolder::open_at(path);
  if (!folder) cr_skip_test("%s", folder.error().message().c_str());
  cr_assert(folder->outlives());
  cr_assert_not(PinFolder::open_at(path).has_value(), "it is in use");
  UniqueFd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "akm_test", 4, 4, 1, nullptr));
  if (map) {
    cr_assert(folder->pin(map.get(), "map-one").has_value());
    cr_assert_eq(folder->names().size(), 1u);
  }
  {
    const PinFolder moved = std::move(*folder);
    moved.clear();
    cr_assert(moved.names().empty());
  }
  cr_assert(PinFolder::open_at(path).has_value(), "and free again");
  cr_assert_eq(::rmdir(path.c_str()), 0);
}
