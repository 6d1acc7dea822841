#pragma once
// The seam through which a test learns every secret that a run has used, to search for them where none may
// be. The product links secret_observer_none.cpp, whose function is empty; tests/support has one that
// records.
#include <cstdint>
#include <span>
#include <string_view>

namespace akm::crypto {

/// Called with each secret that is derived, drawn, unsealed or opened. `what` is a literal.
void observe_secret(std::string_view what, std::span<const std::uint8_t> secret);

}  // namespace akm::crypto
