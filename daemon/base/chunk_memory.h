#pragma once
// Where the pages for secrets come from: the strongest memory that this system and its limits still give.
#include <cstddef>
#include <optional>

#include "daemon/base/secret.h"

namespace akm {

/// Backs `size` bytes at `address` (inside a reservation of the caller, both multiples of 64 KiB) with zeroed
/// memory. Tries memfd_secret(2), then locked private memory, then unlocked; begins at `strongest`. All are
/// left out of core files and none survives a fork. Pages become resident when touched. Returns what it got;
/// none when out of memory.
std::optional<SecretMemory> map_chunk(void* address, std::size_t size, SecretMemory strongest);

/// Reserves address space without memory; null when there is none.
void* reserve_addresses(std::size_t size);

}  // namespace akm
