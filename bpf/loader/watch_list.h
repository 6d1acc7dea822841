#pragma once
// What is watched besides our keys, process and folders, as data: devices, files of special file systems,
// single files, programs.
#include <cstdint>
#include <string>
#include <vector>

#include "bpf/include/akm_events.h"
#include "bpf/loader/folder_watch.h"

namespace akm::bpf {

/// Folders in which only what bears our name concerns us (D19). Those that are there.
std::vector<std::string> default_service_folders();

/// Entries of the programs' maps; the values are enum akm_watch with its flags.
struct WatchList {
  template <typename Key>
  struct Entry {
    Key key{};
    std::uint8_t watch = 0;
  };
  struct Prefix {
    std::string text;
    bool whole = false;  // the path ends here
    std::uint8_t watch = 0;
  };
  std::vector<Entry<std::uint32_t>> devices;
  std::vector<Entry<akm_name_key>> names;
  std::vector<Entry<akm_folder_key>> folders;
  std::vector<Entry<akm_folder_key>> tools;
  std::vector<Prefix> prefixes;
};

/// Everything that these folders and this machine give. `pins` is the folder of our pinned objects, or empty.
WatchList make_watch_list(const std::vector<WatchedFolder>& folders,
                          const std::vector<std::string>& service_folders, const std::string& pins,
                          std::uint32_t our_tgid);

}  // namespace akm::bpf
