#include "bpf/loader/watch_maps.h"

#include <bpf/bpf.h>

namespace akm::bpf {
namespace {

template <typename Entries>
Status fill(const ProbeObject& object, const char* map, const Entries& entries) {
  for (const auto& entry : entries) {
    if (bpf_map_update_elem(object.map_fd(map), &entry.key, &entry.watch, BPF_ANY) != 0)
      return fail_errno(Errc::probe_failed, map);
  }
  return {};
}

template <typename Key>
void empty(const ProbeObject& object, const char* map) {
  Key key{};
  // Each deletion begins anew: what follows a deleted key is not defined.
  while (bpf_map_get_next_key(object.map_fd(map), nullptr, &key) == 0 &&
         bpf_map_delete_elem(object.map_fd(map), &key) == 0) {
  }
}

}  // namespace

Status write_watch_list(const ProbeObject& object, const WatchList& list) {
  AKM_TRY(fill(object, "watched_devices", list.devices));
  AKM_TRY(fill(object, "watched_names", list.names));
  AKM_TRY(fill(object, "watched_folders", list.folders));
  AKM_TRY(fill(object, "watched_tools", list.tools));
  for (const WatchList::Prefix& prefix : list.prefixes) {
    akm_prefix_key key{};
    if (prefix.text.size() >= sizeof(key.path))
      return fail(Errc::invalid_argument, prefix.text + ": too long");
    prefix.text.copy(key.path, prefix.text.size());
    key.bits =
        static_cast<std::uint32_t>((prefix.text.size() + (prefix.whole ? 1 : 0)) * 8);  // the NUL counts
    if (bpf_map_update_elem(object.map_fd("watched_prefixes"), &key, &prefix.watch, BPF_ANY) != 0)
      return fail_errno(Errc::probe_failed, "watched_prefixes");
  }
  return {};
}

void empty_watch_maps(const ProbeObject& object) {
  empty<akm_name_key>(object, "watched_names");
  empty<std::uint32_t>(object, "watched_devices");
  empty<akm_folder_key>(object, "watched_tools");
  empty<akm_folder_key>(object, "watched_folders");
  empty<akm_prefix_key>(object, "watched_prefixes");
}

}  // namespace akm::bpf
