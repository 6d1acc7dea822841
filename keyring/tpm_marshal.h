#pragma once
// Structures of the TPM as bytes and back (tpm2-tss, MU).
#include <tss2/tss2_mu.h>

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/tpm_context.h"

namespace akm::keyring {

template <typename T>
using Marshal = TSS2_RC (*)(const T*, uint8_t*, size_t, size_t*);
template <typename T>
using Unmarshal = TSS2_RC (*)(const uint8_t*, size_t, size_t*, T*);

template <typename T>
Result<std::vector<std::uint8_t>> marshalled(Marshal<T> marshal, const T& value) {
  std::vector<std::uint8_t> bytes(sizeof(T));
  std::size_t size = 0;
  const TSS2_RC response = marshal(&value, bytes.data(), bytes.size(), &size);
  if (response != TSS2_RC_SUCCESS) return tpm_error("marshal", response);
  bytes.resize(size);
  return bytes;
}

// Wholly, or not at all: trailing bytes are refused.
template <typename T>
Result<T> unmarshalled(Unmarshal<T> unmarshal, std::span<const std::uint8_t> bytes) {
  T value{};
  std::size_t size = 0;
  const TSS2_RC response = unmarshal(bytes.data(), bytes.size(), &size, &value);
  if (response != TSS2_RC_SUCCESS || size != bytes.size())
    return fail(Errc::malformed, "TPM part of the sealed blob");
  return value;
}

}  // namespace akm::keyring
