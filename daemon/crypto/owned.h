#pragma once

namespace akm::crypto {

/// Deleter: frees an object of OpenSSL with its own function.
template <auto Free>
struct With {
  void operator()(auto* object) const { Free(object); }
};

}  // namespace akm::crypto
