#pragma once
// Puts a watch list into the maps of the programs.
#include "bpf/loader/probe_object.h"
#include "bpf/loader/watch_list.h"

namespace akm::bpf {

/// Adds; probe_failed when the kernel refuses one, invalid_argument for a path that does not fit.
Status write_watch_list(const ProbeObject& object, const WatchList& list);

/// Of an object that an earlier process filled: its list may have been another.
void empty_watch_maps(const ProbeObject& object);

}  // namespace akm::bpf
