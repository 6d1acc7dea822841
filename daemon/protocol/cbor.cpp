#include "daemon/protocol/cbor.h"

#include <cbor.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "daemon/base/clean_text.h"

namespace akm::protocol {

// What libcbor's decoder calls for the one item at the front. Everything that has no place in our bodies
// (tags, floats, indefinite lengths, undefined) leaves the type at `none`.
struct CborCallbacks {
  using Item = CborReader::Item;
  using Type = CborReader::Type;

  static void set(void* context, Type type, std::uint64_t value) {
    auto& item = *static_cast<Item*>(context);
    item.type = type;
    item.value = value;
  }
  static void set_data(void* context, Type type, const std::uint8_t* data, std::size_t size) {
    set(context, type, size);
    static_cast<Item*>(context)->data = {data, size};
  }

  static cbor_callbacks make() {
    cbor_callbacks out = cbor_empty_callbacks;
    out.uint8 = [](void* c, std::uint8_t v) { set(c, Type::unsigned_integer, v); };
    out.uint16 = [](void* c, std::uint16_t v) { set(c, Type::unsigned_integer, v); };
    out.uint32 = [](void* c, std::uint32_t v) { set(c, Type::unsigned_integer, v); };
    out.uint64 = [](void* c, std::uint64_t v) { set(c, Type::unsigned_integer, v); };
    out.negint8 = [](void* c, std::uint8_t v) { set(c, Type::negative, v); };
    out.negint16 = [](void* c, std::uint16_t v) { set(c, Type::negative, v); };
    out.negint32 = [](void* c, std::uint32_t v) { set(c, Type::negative, v); };
    out.negint64 = [](void* c, std::uint64_t v) { set(c, Type::negative, v); };
    out.byte_string = [](void* c, cbor_data data, std::size_t size) { set_data(c, Type::bytes, data, size); };
    out.string = [](void* c, cbor_data data, std::size_t size) { set_data(c, Type::text, data, size); };
    out.array_start = [](void* c, std::size_t items) { set(c, Type::array, items); };
    out.map_start = [](void* c, std::size_t pairs) { set(c, Type::map, pairs); };
    out.boolean = [](void* c, bool v) { set(c, Type::boolean, v ? 1 : 0); };
    out.null = [](void* c) { set(c, Type::null, 0); };
    return out;
  }
};

namespace {

std::size_t shortest_head(std::uint64_t value) {
  if (value < 24) return 1;
  if (value <= 0xff) return 2;
  if (value <= 0xffff) return 3;
  return value <= 0xffffffff ? 5 : 9;
}

std::span<const std::uint8_t> as_bytes(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as the bytes that they are
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

void CborReader::refuse(std::string_view what) {
  if (!error_.empty()) return;
  error_ = what;
  rest_ = {};
}

Status CborReader::finish() const {
  if (!error_.empty()) return fail(Errc::malformed, std::string(error_));
  if (!started_ || depth_ != 0) return fail(Errc::malformed, "CBOR: items are missing");
  if (!rest_.empty()) return fail(Errc::malformed, "CBOR: bytes after the end");
  return {};
}

CborReader::Item CborReader::next() {
  static const cbor_callbacks callbacks = CborCallbacks::make();
  if (!error_.empty()) return {};
  const auto refused = [this](std::string_view what) {
    refuse(what);
    return Item{};
  };
  if (started_ && depth_ == 0) return refused("CBOR: more than one item");
  if (rest_.empty()) return refused("CBOR: ends too early");
  Item item;
  const cbor_decoder_result result = cbor_stream_decode(rest_.data(), rest_.size(), &callbacks, &item);
  if (result.status != CBOR_DECODER_FINISHED) return refused("CBOR: cannot be decoded");
  if (item.type == Type::none) return refused("CBOR: tag, float, undefined or indefinite length");
  const bool simple = item.type == Type::boolean || item.type == Type::null;
  const std::size_t head = simple ? 1 : shortest_head(item.value);
  if (result.read != head + item.data.size()) return refused("CBOR: not the shortest encoding");
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as the characters that they may be
  const std::string_view text(reinterpret_cast<const char*>(item.data.data()), item.data.size());
  if (item.type == Type::text && !is_utf8(text)) return refused("CBOR: text is not UTF-8");
  const auto encoded = rest_.first(result.read);
  rest_ = rest_.subspan(result.read);
  started_ = true;
  if (!check_key(item, encoded)) return {};
  if (depth_ > 0) --levels_[depth_ - 1].items;
  if (item.type == Type::array || item.type == Type::map) {
    if (!enter(item)) return {};
  }
  while (depth_ > 0 && levels_[depth_ - 1].items == 0) --depth_;
  return item;
}

// Deterministic maps: keys rise by the bytes of their encodings, which puts the shorter ones first.
bool CborReader::check_key(const Item& item, std::span<const std::uint8_t> encoded) {
  if (depth_ == 0) return true;
  Level& level = levels_[depth_ - 1];
  if (!level.is_map || level.items % 2 != 0) return true;
  if (item.type != Type::text) {
    refuse("CBOR: a key is not text");
    return false;
  }
  if (!level.last_key.empty() && !std::ranges::lexicographical_compare(level.last_key, encoded)) {
    refuse("CBOR: keys are not in order or double");
    return false;
  }
  level.last_key = encoded;
  return true;
}

bool CborReader::enter(const Item& item) {
  const bool is_map = item.type == Type::map;
  // Each item takes a byte at least: a count that cannot fit is refused before anybody reserves memory for
  // it.
  if (item.value > rest_.size() / (is_map ? 2 : 1)) {
    refuse("CBOR: more items than bytes");
    return false;
  }
  if (depth_ == levels_.size()) {
    refuse("CBOR: nested too deep");
    return false;
  }
  levels_[depth_++] = Level{.items = item.value * (is_map ? 2 : 1), .is_map = is_map, .last_key = {}};
  return true;
}

CborReader::Item CborReader::expect(Type type) {
  Item item = next();
  if (ok() && item.type != type) {
    refuse("CBOR: an item of another type");
    return {};
  }
  return item;
}

std::uint64_t CborReader::unsigned_integer(std::uint64_t max) {
  const Item item = expect(Type::unsigned_integer);
  if (item.value > max) refuse("CBOR: number is too large");
  return ok() ? item.value : 0;
}

bool CborReader::boolean() {
  return expect(Type::boolean).value != 0;
}

std::span<const std::uint8_t> CborReader::bytes(std::size_t max, std::size_t min) {
  const Item item = expect(Type::bytes);
  if (ok() && (item.data.size() > max || item.data.size() < min)) refuse("CBOR: length of bytes");
  return ok() ? item.data : std::span<const std::uint8_t>{};
}

std::string_view CborReader::text(std::size_t max, std::size_t min) {
  const Item item = expect(Type::text);
  if (ok() && (item.data.size() > max || item.data.size() < min)) refuse("CBOR: length of text");
  if (!ok()) return {};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as the characters that they are
  return {reinterpret_cast<const char*>(item.data.data()), item.data.size()};
}

std::size_t CborReader::array(std::size_t max) {
  const Item item = expect(Type::array);
  if (item.value > max) refuse("CBOR: too many items");
  return ok() ? static_cast<std::size_t>(item.value) : 0;
}

std::size_t CborReader::map(std::size_t max) {
  const Item item = expect(Type::map);
  if (item.value > max) refuse("CBOR: too many pairs");
  return ok() ? static_cast<std::size_t>(item.value) : 0;
}

void CborReader::skip() {
  const std::size_t depth = depth_;
  (void)next();
  // A container opened levels above the present one; it ends when they are closed again.
  while (ok() && depth_ > depth) (void)next();
}

CborReader::Kind CborReader::kind() const {
  if (rest_.empty()) return Kind::other;
  constexpr std::uint8_t kFalse = 0xf4;
  constexpr std::uint8_t kTrue = 0xf5;
  const std::uint8_t head = rest_.front();
  if (head == kFalse || head == kTrue) return Kind::boolean;
  switch (head >> 5) {  // the major type
    case 0:
      return Kind::unsigned_integer;
    case 3:
      return Kind::text;
    case 4:
      return Kind::array;
    default:
      return Kind::other;
  }
}

std::map<std::string, std::string> CborReader::text_map(std::size_t max_pairs, std::size_t max_text) {
  std::map<std::string, std::string> out;
  for (std::size_t pairs = map(max_pairs); pairs > 0 && ok(); --pairs) {
    std::string name(key());
    out.emplace(std::move(name), text(max_text));
  }
  return out;
}

/// Room for `size` more bytes, which count as written.
std::uint8_t* CborWriter::extend(std::size_t size) {
  const std::size_t at = std::exchange(used_, used_ + size);
  if (memory_ == Memory::plain) {
    plain_.resize(used_);
    return plain_.data() + at;
  }
  if (used_ > secret_.size()) {
    constexpr std::size_t kFirstBytes = 2048;  // a small group's record
    SecretBuffer larger(std::max({kFirstBytes, 2 * secret_.size(), used_}));
    std::ranges::copy(secret_.reveal().first(at), larger.reveal_mutable().begin());
    secret_ = std::move(larger);
  }
  return secret_.reveal_mutable().data() + at;
}

void CborWriter::append(std::span<const std::uint8_t> in) {
  std::uint8_t* const to = extend(in.size());
  if (!in.empty()) std::memcpy(to, in.data(), in.size());
}

void CborWriter::head(std::uint8_t major, std::uint64_t value) {
  const std::size_t size = shortest_head(value);
  const std::uint64_t type = std::uint64_t{major} << 5;
  std::uint8_t* const to = extend(size);
  if (size == 1) {
    *to = static_cast<std::uint8_t>(type | value);
    return;
  }
  // 24, 25, 26, 27: one, two, four, eight bytes follow (RFC 8949, 3).
  *to = static_cast<std::uint8_t>(type | (23 + std::bit_width(size - 1)));
  for (std::size_t i = 1; i < size; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
}

void CborWriter::unsigned_integer(std::uint64_t value) {
  head(0, value);
}

void CborWriter::boolean(bool value) {
  const std::array<std::uint8_t, 1> out{static_cast<std::uint8_t>(value ? 0xf5 : 0xf4)};
  append(out);
}

void CborWriter::bytes(std::span<const std::uint8_t> value) {
  head(2, value.size());
  append(value);
}

void CborWriter::text(std::string_view value) {
  head(3, value.size());
  append(as_bytes(value));
}

void CborWriter::array(std::size_t items) {
  head(4, items);
}

void CborWriter::map(std::size_t pairs) {
  head(5, pairs);
}

void CborWriter::text_map(const std::map<std::string, std::string>& map_in) {
  std::vector<const std::pair<const std::string, std::string>*> pairs;
  pairs.reserve(map_in.size());
  for (const auto& pair : map_in) pairs.push_back(&pair);
  std::ranges::stable_sort(pairs, {}, [](const auto* pair) { return pair->first.size(); });
  map(pairs.size());
  for (const auto* pair : pairs) {
    text(pair->first);
    text(pair->second);
  }
}

std::vector<std::uint8_t> CborWriter::take() {
  used_ = 0;
  return std::exchange(plain_, {});
}

SecretBuffer CborWriter::take_secret() {
  secret_.shrink(std::exchange(used_, 0));
  return std::exchange(secret_, {});
}

}  // namespace akm::protocol
