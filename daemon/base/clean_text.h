#pragma once
#include <string>
#include <string_view>

namespace akm {

/// Well-formed UTF-8 (RFC 3629, section 4).
bool is_utf8(std::string_view text);
/// True for well-formed UTF-8 without control characters: what may be shown to people.
bool is_clean_text(std::string_view text);
/// The text, or "?" where it is not clean.
std::string clean_text(std::string_view text);

}  // namespace akm
