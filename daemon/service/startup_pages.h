#pragma once
// What a daemon needed to start and does not need to run.
#include <cstddef>

namespace akm::service {

/// Gives back free heap and unmaps the pages of code and constants of the program and its libraries: most of
/// them were touched by start-up only. Those that are used come back from the page cache at the first touch;
/// nothing that was ever written is among them. Returns the bytes of address space that it went over. Call
/// once, before the loop.
std::size_t release_startup_pages();

}  // namespace akm::service
