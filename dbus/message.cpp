#include "dbus/message.h"

#include <fcntl.h>
#include <systemd/sd-bus.h>

#include <algorithm>
#include <cstdlib>

#include "dbus/limits.h"

namespace akm::dbus {
namespace {

// Length of the well-formed UTF-8 sequence at the start of `text` (RFC 3629, section 4); 0 when there is
// none.
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  std::size_t length = 0;
  unsigned lowest = 0x80;
  unsigned highest = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    if (first == 0xe0) lowest = 0xa0;   // no overlong forms
    if (first == 0xed) highest = 0x9f;  // no surrogates
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    if (first == 0xf0) lowest = 0x90;
    if (first == 0xf4) highest = 0x8f;
  } else {
    return 0;
  }
  if (at(1) < lowest || at(1) > highest) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return length;
}

// C0, DEL and C1: they steer terminals.
bool is_control(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) return first < 0x20 || first == 0x7f;
  return sequence.size() == 2 && first == 0xc2 && static_cast<unsigned char>(sequence[1]) < 0xa0;
}

std::unexpected<Error> bad_type() {
  return fail(Errc::malformed, "the message does not have the documented arguments");
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t limit_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), limit_bytes));
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const bool good = length > 0 && !is_control(text.substr(0, length));
    if (out.size() + (good ? length : 1) > limit_bytes) break;
    if (good) {
      out.append(text.substr(0, length));
    } else {
      out.push_back('?');
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0 || is_control(text.substr(0, length))) return false;
    text.remove_prefix(length);
  }
  return true;
}

template <typename T>
Result<T> Reader::basic(char type) {
  T value{};
  if (sd_bus_message_read_basic(message_, type, &value) <= 0) return bad_type();
  return value;
}

Result<std::string> Reader::text(std::size_t limit_bytes) {
  AKM_ASSIGN(const char* text, basic<const char*>('s'));
  std::string out(text);
  if (out.size() > limit_bytes)
    return fail(Errc::too_large, "a text has more than " + std::to_string(limit_bytes) + " bytes");
  return out;
}

Result<std::string> Reader::object_path() {
  AKM_ASSIGN(const char* text, basic<const char*>('o'));
  return std::string(text);
}

Result<std::uint8_t> Reader::u8() {
  return basic<std::uint8_t>('y');
}

Result<bool> Reader::boolean() {
  AKM_ASSIGN(const int value, basic<int>('b'));
  return value != 0;
}

Result<std::uint16_t> Reader::u16() {
  return basic<std::uint16_t>('q');
}

Result<std::uint32_t> Reader::u32() {
  return basic<std::uint32_t>('u');
}

Result<std::int32_t> Reader::i32() {
  return basic<std::int32_t>('i');
}

Result<std::uint64_t> Reader::u64() {
  return basic<std::uint64_t>('t');
}

Result<std::int64_t> Reader::i64() {
  return basic<std::int64_t>('x');
}

Result<UniqueFd> Reader::fd() {
  AKM_ASSIGN(const int borrowed, basic<int>('h'));
  UniqueFd own(fcntl(borrowed, F_DUPFD_CLOEXEC, 3));
  if (!own) return fail_errno(Errc::limit_exceeded, "a file descriptor cannot be duplicated");
  return own;
}

Result<std::vector<std::uint8_t>> Reader::bytes(std::size_t limit_bytes) {
  const void* data = nullptr;
  std::size_t size = 0;
  if (sd_bus_message_read_array(message_, 'y', &data, &size) < 0) return bad_type();
  if (size > limit_bytes)
    return fail(Errc::too_large, "an array has more than " + std::to_string(limit_bytes) + " bytes");
  const auto* first = static_cast<const std::uint8_t*>(data);
  return std::vector<std::uint8_t>(first, first + size);
}

Result<std::vector<std::string>> Reader::texts(std::size_t limit_items, std::size_t limit_bytes) {
  std::vector<std::string> out;
  AKM_TRY(enter('a', "s"));
  const char* text = nullptr;
  int r = 0;
  while ((r = sd_bus_message_read_basic(message_, 's', &text)) > 0) {
    if (out.size() == limit_items)
      return fail(Errc::too_large, "a list has more than " + std::to_string(limit_items) + " items");
    out.emplace_back(text);
    if (out.back().size() > limit_bytes) return fail(Errc::too_large, "a text in a list is too long");
  }
  if (r < 0) return bad_type();
  AKM_TRY(exit());
  return out;
}

template <typename T>
Result<std::vector<T>> Reader::numbers(char type, std::size_t limit_items) {
  const void* data = nullptr;
  std::size_t size = 0;
  if (sd_bus_message_read_array(message_, type, &data, &size) < 0) return bad_type();
  const std::size_t count = size / sizeof(T);
  if (count > limit_items)
    return fail(Errc::too_large, "a list has more than " + std::to_string(limit_items) + " items");
  const auto* first = static_cast<const T*>(data);
  return std::vector<T>(first, first + count);
}

Result<std::vector<std::uint64_t>> Reader::u64s(std::size_t limit_items) {
  return numbers<std::uint64_t>('t', limit_items);
}

Result<std::vector<std::uint32_t>> Reader::u32s(std::size_t limit_items) {
  return numbers<std::uint32_t>('u', limit_items);
}

Result<std::vector<std::pair<std::string, std::string>>> Reader::pairs(char open, std::size_t limit_items) {
  std::vector<std::pair<std::string, std::string>> out;
  AKM_TRY(enter('a', open == 'e' ? "{ss}" : "(ss)"));
  while (true) {
    AKM_ASSIGN(const bool more, enter(open, "ss"));
    if (!more) break;
    if (out.size() == limit_items)
      return fail(Errc::too_large, "a list has more than " + std::to_string(limit_items) + " items");
    AKM_ASSIGN(std::string first, text(limits::kTextBytes));
    AKM_ASSIGN(std::string second, text(limits::kTextBytes));
    AKM_TRY(exit());
    out.emplace_back(std::move(first), std::move(second));
  }
  AKM_TRY(exit());
  return out;
}

Result<std::map<std::string, std::string>> Reader::text_map(std::size_t limit_items,
                                                            std::size_t limit_bytes) {
  AKM_ASSIGN(auto list, pairs('e', limit_items));
  std::map<std::string, std::string> out;
  for (auto& [key, value] : list) {
    if (key.size() > limit_bytes || value.size() > limit_bytes)
      return fail(Errc::too_large, "a text in a map is too long");
    if (!out.emplace(std::move(key), std::move(value)).second)
      return fail(Errc::malformed, "a key stands twice in a map");
  }
  return out;
}

Result<std::map<std::string, std::uint64_t>> Reader::counter_map(std::size_t limit_items) {
  std::map<std::string, std::uint64_t> out;
  AKM_TRY(enter('a', "{st}"));
  while (true) {
    AKM_ASSIGN(const bool more, enter('e', "st"));
    if (!more) break;
    if (out.size() == limit_items) return fail(Errc::too_large, "a map is too long");
    AKM_ASSIGN(std::string key, text(limits::kTextBytes));
    AKM_ASSIGN(const std::uint64_t value, u64());
    AKM_TRY(exit());
    out.emplace(std::move(key), value);
  }
  AKM_TRY(exit());
  return out;
}

Result<bool> Reader::enter(char type, const char* contents) {
  const int r = sd_bus_message_enter_container(message_, type, contents);
  if (r < 0) return bad_type();
  return r > 0;
}

Status Reader::exit() {
  if (sd_bus_message_exit_container(message_) < 0) return bad_type();
  return {};
}

Status Reader::skip(const char* types) {
  if (sd_bus_message_skip(message_, types) < 0) return bad_type();
  return {};
}

Result<std::string> Reader::peek_variant() {
  char type = 0;
  const char* contents = nullptr;
  if (sd_bus_message_peek_type(message_, &type, &contents) <= 0 || type != 'v' || contents == nullptr)
    return bad_type();
  return std::string(contents);
}

Writer& Writer::keep(int r) {
  if (r < 0 && status_ == 0) status_ = r;
  return *this;
}

Writer& Writer::basic(char type, const void* value) {
  return keep(sd_bus_message_append_basic(message_, type, value));
}

Writer& Writer::text(std::string_view value) {
  return basic('s', clean_text(value, limits::kTextBytes).c_str());
}

Writer& Writer::object_path(const std::string& value) {
  return basic('o', value.c_str());
}

Writer& Writer::u8(std::uint8_t value) {
  return basic('y', &value);
}

Writer& Writer::boolean(bool value) {
  const int wide = value ? 1 : 0;
  return basic('b', &wide);
}

Writer& Writer::u16(std::uint16_t value) {
  return basic('q', &value);
}

Writer& Writer::u32(std::uint32_t value) {
  return basic('u', &value);
}

Writer& Writer::i32(std::int32_t value) {
  return basic('i', &value);
}

Writer& Writer::u64(std::uint64_t value) {
  return basic('t', &value);
}

Writer& Writer::i64(std::int64_t value) {
  return basic('x', &value);
}

Writer& Writer::fd(int value) {
  return basic('h', &value);
}

Writer& Writer::bytes(const std::vector<std::uint8_t>& value) {
  return keep(sd_bus_message_append_array(message_, 'y', value.data(), value.size()));
}

Writer& Writer::texts(const std::vector<std::string>& value) {
  open('a', "s");
  for (const std::string& item : value) text(item);
  return close();
}

Writer& Writer::u64s(const std::vector<std::uint64_t>& value) {
  return keep(sd_bus_message_append_array(message_, 't', value.data(), value.size() * sizeof(std::uint64_t)));
}

Writer& Writer::u32s(const std::vector<std::uint32_t>& value) {
  return keep(sd_bus_message_append_array(message_, 'u', value.data(), value.size() * sizeof(std::uint32_t)));
}

Writer& Writer::text_map(const std::map<std::string, std::string>& value) {
  open('a', "{ss}");
  for (const auto& [key, item] : value) open('e', "ss").text(key).text(item).close();
  return close();
}

Writer& Writer::counter_map(const std::map<std::string, std::uint64_t>& value) {
  open('a', "{st}");
  for (const auto& [key, item] : value) open('e', "st").text(key).u64(item).close();
  return close();
}

Writer& Writer::pairs(char open_type, const std::vector<std::pair<std::string, std::string>>& value) {
  open('a', open_type == 'e' ? "{ss}" : "(ss)");
  for (const auto& [key, item] : value) open(open_type, "ss").text(key).text(item).close();
  return close();
}

Writer& Writer::open(char type, const char* contents) {
  return keep(sd_bus_message_open_container(message_, type, contents));
}

Writer& Writer::close() {
  return keep(sd_bus_message_close_container(message_));
}

}  // namespace akm::dbus
