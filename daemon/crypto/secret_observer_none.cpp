#include "daemon/crypto/secret_observer.h"

namespace akm::crypto {

void observe_secret(std::string_view /*what*/, std::span<const std::uint8_t> /*secret*/) {}

}  // namespace akm::crypto
