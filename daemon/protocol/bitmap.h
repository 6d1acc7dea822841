#pragma once
// A set of roster indexes as section 5 writes it: bit 7 of byte 0 is index 0.
#include <cstdint>
#include <span>
#include <string>

#include "daemon/protocol/asr.h"

namespace akm::protocol {

class Bitmap {
 public:
  Bitmap() = default;
  /// Empty set, as long as the highest index of the roster needs.
  static Bitmap for_roster(const AsrDescription& description);
  static Bitmap from_bytes(std::span<const std::uint8_t> bytes);

  /// An index beyond the length is not taken.
  void set(std::uint16_t index);
  [[nodiscard]] bool test(std::uint16_t index) const;
  [[nodiscard]] std::size_t count() const;
  [[nodiscard]] std::span<const std::uint8_t> bytes() const {
    return {reinterpret_cast<const std::uint8_t*>(bytes_.data()), bytes_.size()};
  }
  /// Union; lengths must be equal, else nothing happens.
  void merge(const Bitmap& other);
  /// Every index of `other` is in this set too.
  [[nodiscard]] bool contains(const Bitmap& other) const;
  /// The one valid form: exactly the roster's length and no bit of an index that is not in the roster.
  [[nodiscard]] bool fits(const AsrDescription& description) const;
  bool operator==(const Bitmap&) const = default;

 private:
  std::span<std::uint8_t> writable() {
    return {reinterpret_cast<std::uint8_t*>(bytes_.data()), bytes_.size()};
  }

  std::string bytes_;  // a string, not a vector: up to 120 members (15 bytes) need no memory of their own
};

}  // namespace akm::protocol
