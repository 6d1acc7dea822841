#pragma once
// Text that came from elsewhere, as a terminal may have it.
#include <string>
#include <string_view>

namespace akm::ctl {

/// Each control character (C0, DEL, C1), each character that turns the direction of writing or ends a line,
/// and each byte that is no UTF-8 is a "?".
std::string visible(std::string_view text);

}  // namespace akm::ctl
