#include "bpf/loader/watch_maps.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>

#include <string>

using namespace akm;
using namespace akm::bpf;

namespace {

std::size_t entries(const ProbeObject& object, const char* map) {
  akm_prefix_key key{};
  const void* previous = nullptr;
  std::size_t count = 0;
  while (count < AKM_MAX_PREFIXES && bpf_map_get_next_key(object.map_fd(map), previous, &key) == 0) {
    previous = &key;
    ++count;
  }
  return count;
}

}  // namespace

Test(watch_maps, a_list_goes_in_and_out_again) {
  ProbeChoice choice;
  choice.ring_bytes = choice.critical_ring_bytes = 4096;
  const auto object = ProbeObject::load(choice);
  if (!object) cr_skip_test("%s", object.error().message().c_str());
  WatchList list;
  list.prefixes = {{"/one", true, 1}, {"/one/", false, 1}, {"/", true, 2}};
  cr_assert(write_watch_list(**object, list).has_value());
  cr_assert_eq(entries(**object, "watched_prefixes"), 3u);
  empty_watch_maps(**object);
  cr_assert_eq(entries(**object, "watched_prefixes"), 0u);
  list.prefixes = {{"/" + std::string(AKM_PREFIX_BYTES, 'a'), true, 1}};
  cr_assert_eq(write_watch_list(**object, list).error().code, Errc::invalid_argument);
}
