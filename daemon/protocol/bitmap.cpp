#include "daemon/protocol/bitmap.h"

#include <algorithm>
#include <bit>

namespace akm::protocol {
namespace {

std::uint8_t bit_of(std::uint16_t index) {
  return static_cast<std::uint8_t>(0x80U >> (index % 8));
}

}  // namespace

Bitmap Bitmap::for_roster(const AsrDescription& description) {
  Bitmap out;
  if (!description.roster.empty()) out.bytes_.resize(description.roster.back().index / 8U + 1U);
  return out;
}

Bitmap Bitmap::from_bytes(std::span<const std::uint8_t> bytes) {
  Bitmap out;
  out.bytes_.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return out;
}

void Bitmap::set(std::uint16_t index) {
  if (index / 8U < bytes_.size()) writable()[index / 8U] |= bit_of(index);
}

bool Bitmap::test(std::uint16_t index) const {
  return index / 8U < bytes_.size() && (bytes()[index / 8U] & bit_of(index)) != 0;
}

std::size_t Bitmap::count() const {
  std::size_t out = 0;
  for (const std::uint8_t byte : bytes()) out += static_cast<std::size_t>(std::popcount(byte));
  return out;
}

void Bitmap::merge(const Bitmap& other) {
  if (other.bytes_.size() != bytes_.size()) return;
  const auto mine = writable();
  std::ranges::transform(mine, other.bytes(), mine.begin(),
                         [](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(a | b); });
}

bool Bitmap::contains(const Bitmap& other) const {
  if (other.bytes_.size() != bytes_.size()) return false;
  for (std::size_t i = 0; i < bytes_.size(); ++i) {
    if ((other.bytes()[i] & ~bytes()[i]) != 0) return false;
  }
  return true;
}

bool Bitmap::fits(const AsrDescription& description) const {
  Bitmap roster = for_roster(description);
  for (const Member& member : description.roster) roster.set(member.index);
  return roster.contains(*this);
}

}  // namespace akm::protocol
