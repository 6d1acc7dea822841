#pragma once
// Bounded big-endian reading and writing. A reader that ran over its end stays failed and yields zeros, so
// that a decoder reads all fields and asks once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace akm {

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  /// The next `n` bytes in place, or an empty span and failure.
  std::span<const std::uint8_t> bytes(std::size_t n) {
    if (n > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const auto out = rest_.first(n);
    rest_ = rest_.subspan(n);
    return out;
  }
  [[nodiscard]] std::span<const std::uint8_t> rest() const { return rest_; }
  [[nodiscard]] bool ok() const { return ok_; }
  /// True when everything was read and nothing was missing.
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  std::uint64_t integer(std::size_t n) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes(n)) value = (value << 8) | byte;
    return value;
  }

  std::span<const std::uint8_t> rest_;
  bool ok_ = true;
};

class Writer {
 public:
  explicit Writer(std::span<std::uint8_t> out) : out_(out) {}

  void u8(std::uint8_t v) { integer(v, 1); }
  void u16(std::uint16_t v) { integer(v, 2); }
  void u32(std::uint32_t v) { integer(v, 4); }
  void u64(std::uint64_t v) { integer(v, 8); }
  void bytes(std::span<const std::uint8_t> in) {
    if (in.size() > out_.size() - used_) {
      ok_ = false;
      return;
    }
    // std::ranges::copy between spans is a loop over bytes at -O2, and this is on the way of every frame.
    if (!in.empty()) std::memcpy(out_.data() + used_, in.data(), in.size());
    used_ += in.size();
  }
  [[nodiscard]] std::span<std::uint8_t> written() const { return out_.first(used_); }
  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  void integer(std::uint64_t v, std::size_t n) {
    if (n > out_.size() - used_) {
      ok_ = false;
      return;
    }
    for (std::size_t i = n; i-- > 0;) out_[used_++] = static_cast<std::uint8_t>(v >> (8 * i));
  }

  std::span<std::uint8_t> out_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

}  // namespace akm
