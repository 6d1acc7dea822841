#pragma once
#include <cstdint>

namespace akm {

/// CLOCK_REALTIME in ns since 1970: what is shown to people beside a record. It may stand still or go back;
/// nothing is decided by it.
std::int64_t wall_time_ns();

}  // namespace akm
