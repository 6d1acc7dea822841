#pragma once
// What every fuzz target shares: the entry that libFuzzer (or replay_main.cpp) calls, the way a broken
// promise ends the run, and input read as choices.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/cursor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace akm::fuzz {

/// Ends the process when `holds` is false; libFuzzer then keeps the input.
inline void require(bool holds, const char* what) {
  if (holds) return;
  (void)std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Input as a list of choices. Past its end all choices are 0.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : reader_(std::span(data, size)) {}

  std::uint8_t u8() { return reader_.u8(); }
  std::uint16_t u16() { return reader_.u16(); }
  std::uint32_t below(std::uint32_t bound) { return (bound <= 256 ? u8() : u16()) % bound; }
  /// Up to `n` bytes: fewer at the end.
  std::span<const std::uint8_t> bytes(std::size_t n) {
    return reader_.bytes(std::min(n, reader_.rest().size()));
  }
  std::span<const std::uint8_t> rest() { return reader_.bytes(reader_.rest().size()); }
  [[nodiscard]] bool empty() const { return reader_.rest().empty(); }

 private:
  Reader reader_;
};

inline std::string_view as_text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::vector<std::uint8_t> copy(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace akm::fuzz
