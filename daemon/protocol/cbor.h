#pragma once
// Bounded CBOR in deterministic encoding (RFC 8949, 4.2.1), the only form of section 6 and 7. Heads are
// decoded by libcbor's streaming decoder, which never allocates; this file adds what it does not check.
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::protocol {

/// Containers inside containers: the outermost is at depth 0 (install: map > asr > roster > member >
/// endpoints).
inline constexpr std::size_t kCborDepth = 4;
inline constexpr std::size_t kCborTextMapPairs = 64;

/// Reads one item after the other. The first error makes the reader fail and stay failed; everything it
/// returns after that is empty or zero, so that a decoder reads all and asks finish() once. Refused anywhere,
/// also in what is skipped: encodings that are not the shortest, indefinite lengths, keys of maps that are
/// not text, not sorted or double, tags, floats, text that is not UTF-8, more depth than kCborDepth, counts
/// that cannot fit in the bytes.
class CborReader {
 public:
  explicit CborReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {}

  /// At most `max`.
  std::uint64_t unsigned_integer(std::uint64_t max = UINT64_MAX);
  bool boolean();
  /// Borrowed from the input; between `min` and `max` bytes.
  std::span<const std::uint8_t> bytes(std::size_t max, std::size_t min = 0);
  std::string_view text(std::size_t max, std::size_t min = 0);
  /// Number of items, at most `max`; the caller reads that many.
  std::size_t array(std::size_t max);
  /// Number of pairs, at most `max`; the caller reads key (key()) and value that often.
  std::size_t map(std::size_t max = 64);
  std::string_view key() { return text(kKeyBytes, 1); }
  /// What the next item is, for the few that may be of several kinds; the item is not taken.
  enum class Kind : std::uint8_t { unsigned_integer, boolean, text, array, other };
  [[nodiscard]] Kind kind() const;
  /// One whole item of any kind.
  void skip();
  /// A map of text to text.
  std::map<std::string, std::string> text_map(std::size_t max_pairs, std::size_t max_text);

  /// The decoder's own verdict: a required key is missing, a value is out of range.
  void refuse(std::string_view what);
  [[nodiscard]] bool ok() const { return error_.empty(); }
  /// malformed with what was wrong; also when bytes are left over or an item is missing.
  [[nodiscard]] Status finish() const;

 private:
  static constexpr std::size_t kKeyBytes = 64;
  enum class Type : std::uint8_t { none, unsigned_integer, negative, bytes, text, array, map, boolean, null };
  struct Item {
    Type type = Type::none;
    std::uint64_t value = 0;
    std::span<const std::uint8_t> data;
  };
  struct Level {
    std::uint64_t items = 0;  // left, keys and values counted
    bool is_map = false;
    std::span<const std::uint8_t> last_key;  // encoded
  };
  friend struct CborCallbacks;

  Item next();
  Item expect(Type type);
  bool enter(const Item& item);
  bool check_key(const Item& item, std::span<const std::uint8_t> encoded);

  std::span<const std::uint8_t> rest_;
  std::array<Level, kCborDepth + 1> levels_{};
  std::size_t depth_ = 0;  // open levels
  bool started_ = false;
  std::string_view error_;
};

/// Writes items in the order of the calls. The caller gives map keys in deterministic order (shorter first,
/// then by bytes): encoder and decoder stand in one file, and the reader refuses another order in every test.
class CborWriter {
 public:
  enum class Memory : std::uint8_t { plain, secret };
  /// `secret`: grows inside the arena, for bodies with credentials.
  explicit CborWriter(Memory memory = Memory::plain) : memory_(memory) {}

  void unsigned_integer(std::uint64_t value);
  void boolean(bool value);
  void bytes(std::span<const std::uint8_t> value);
  void text(std::string_view value);
  void array(std::size_t items);
  void map(std::size_t pairs);
  void text_map(const std::map<std::string, std::string>& map);
  /// An item that is already encoded.
  void raw(std::span<const std::uint8_t> item) { append(item); }

  [[nodiscard]] std::size_t size() const { return used_; }
  std::vector<std::uint8_t> take();
  SecretBuffer take_secret();

 private:
  void head(std::uint8_t major, std::uint64_t value);
  std::uint8_t* extend(std::size_t size);
  void append(std::span<const std::uint8_t> in);

  Memory memory_;
  std::vector<std::uint8_t> plain_;
  SecretBuffer secret_;
  std::size_t used_ = 0;
};

}  // namespace akm::protocol
