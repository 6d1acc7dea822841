#pragma once
// Spans of time for people. The daemons give boot times; there is no wall clock in any of it.
#include <cstdint>
#include <string>

namespace akm::ctl {

/// "0 s", "12 s", "4 min", "3 h", "2 d": whole units, the largest of which there are two (seconds: any).
/// Empty for a time that is 0 (not known) or lies after `now_ns`.
std::string age(std::int64_t then_ns, std::int64_t now_ns);
/// The same of what is still to come: empty for 0, "0 s" when it has passed.
std::string time_left(std::int64_t until_ns, std::int64_t now_ns);

}  // namespace akm::ctl
