#pragma once
// sd-bus messages with bounds and without varargs. A reader trusts nobody; a writer makes every text fit for
// the bus.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

struct sd_bus_message;

namespace akm::dbus {

/// Valid UTF-8, no control characters, at most `limit_bytes`: offending bytes become '?', the rest is cut
/// off.
std::string clean_text(std::string_view text, std::size_t limit_bytes);
/// True for UTF-8 (RFC 3629) without control characters.
bool is_plain_text(std::string_view text);

/// Reads arguments in order. All return malformed on a wrong type and too_large above a limit.
class Reader {
 public:
  explicit Reader(sd_bus_message* message) : message_(message) {}

  Result<std::string> text(std::size_t limit_bytes);
  Result<std::string> object_path();
  Result<std::uint8_t> u8();
  Result<bool> boolean();
  Result<std::uint16_t> u16();
  Result<std::uint32_t> u32();
  Result<std::int32_t> i32();
  Result<std::uint64_t> u64();
  Result<std::int64_t> i64();
  /// A duplicate: the message keeps its own.
  Result<UniqueFd> fd();
  Result<std::vector<std::uint8_t>> bytes(std::size_t limit_bytes);                          // ay
  Result<std::vector<std::string>> texts(std::size_t limit_items, std::size_t limit_bytes);  // as
  Result<std::vector<std::uint64_t>> u64s(std::size_t limit_items);                          // at
  Result<std::vector<std::uint32_t>> u32s(std::size_t limit_items);                          // au
  /// a{ss}; the same key twice is malformed.
  Result<std::map<std::string, std::string>> text_map(std::size_t limit_items, std::size_t limit_bytes);
  Result<std::map<std::string, std::uint64_t>> counter_map(std::size_t limit_items);  // a{st}
  Result<std::vector<std::pair<std::string, std::string>>> pairs(char open,
                                                                 std::size_t limit_items);  // a(ss), a{ss}

  /// Containers by hand: enter 'a', 'r' (struct), 'e' (dict entry) or 'v'. False at the end of the array
  /// around it.
  Result<bool> enter(char type, const char* contents);
  Status exit();
  Status skip(const char* types);
  /// Type of what a variant holds.
  Result<std::string> peek_variant();

 private:
  template <typename T>
  Result<T> basic(char type);
  template <typename T>
  Result<std::vector<T>> numbers(char type, std::size_t limit_items);
  sd_bus_message* message_;
};

/// Appends in order; remembers the first failure instead of returning it each time.
class Writer {
 public:
  explicit Writer(sd_bus_message* message) : message_(message) {}

  Writer& text(std::string_view value);
  Writer& object_path(const std::string& value);
  Writer& u8(std::uint8_t value);
  Writer& boolean(bool value);
  Writer& u16(std::uint16_t value);
  Writer& u32(std::uint32_t value);
  Writer& i32(std::int32_t value);
  Writer& u64(std::uint64_t value);
  Writer& i64(std::int64_t value);
  Writer& fd(int value);
  Writer& bytes(const std::vector<std::uint8_t>& value);
  Writer& texts(const std::vector<std::string>& value);
  Writer& u64s(const std::vector<std::uint64_t>& value);
  Writer& u32s(const std::vector<std::uint32_t>& value);
  Writer& text_map(const std::map<std::string, std::string>& value);
  Writer& counter_map(const std::map<std::string, std::uint64_t>& value);
  Writer& pairs(char open,
                const std::vector<std::pair<std::string, std::string>>& value);  // 'r' a(ss), 'e' a{ss}
  Writer& open(char type, const char* contents);
  Writer& close();
  /// Negative errno of the first failure, or 0.
  [[nodiscard]] int status() const { return status_; }

 private:
  Writer& keep(int r);
  Writer& basic(char type, const void* value);
  sd_bus_message* message_;
  int status_ = 0;
};

}  // namespace akm::dbus
