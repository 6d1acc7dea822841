#include "bpf/loader/pin_folder.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <sys/stat.h>

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
