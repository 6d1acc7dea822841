#include "tools/akmctl/hidden_values.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace akm::ctl {
namespace {

constexpr std::size_t kShortest = 4;
constexpr std::string_view kInstead = "(left out)";
constexpr std::string_view kSpace = " \t\n";
constexpr std::string_view kBetween = " \t\n;&?";
constexpr std::string_view kBetweenOrEquals = " \t\n;&?=";
// Of libpq (33.1.2) and of a PKCS#11 URI (RFC 7512): names of things, which are no secrets.
constexpr auto kOpen = std::to_array<std::string_view>(
    {"application_name", "connect_timeout", "dbname", "host", "hostaddr", "id", "manufacturer", "model",
     "object", "port", "serial", "slot-id", "sslmode", "target_session_attrs", "token", "type", "user"});

/// Takes the front of `rest` up to one of `ends`.
std::string_view take(std::string_view& rest, std::string_view ends) {
  const std::string_view out = rest.substr(0, rest.find_first_of(ends));
  rest.remove_prefix(out.size());
  return out;
}

void skip(std::string_view& rest, std::string_view what) {
  rest.remove_prefix(std::min(rest.find_first_not_of(what), rest.size()));
}

/// What stands after "name =", in quotes or not.
std::string_view take_value(std::string_view& rest) {
  if (!rest.starts_with('\'') && !rest.starts_with('"')) return take(rest, kBetween);
  const std::string_view quote = rest.substr(0, 1);
  rest.remove_prefix(1);
  return take(rest, quote);
}

}  // namespace

void HiddenValues::add_word(std::string_view word) {
  if (word.size() < kShortest) return;
  words_.emplace(word);
  const std::string quoted =
      nlohmann::json(word).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  words_.emplace(quoted.substr(1, quoted.size() - 2));
}

/// scheme://user:password@host: where the password ends is a matter of who reads it.
void HiddenValues::add_password_of(std::string_view uri) {
  const std::size_t begin = uri.find("://");
  const std::size_t end = uri.rfind('@');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin + 3) return;
  std::string_view rest = uri.substr(begin + 3, end - begin - 3);
  (void)take(rest, ":");
  if (rest.empty()) return;
  rest.remove_prefix(1);
  add_word(rest);
  while (!rest.empty()) {
    add_word(take(rest, ":@/"));
    skip(rest, ":@/");
  }
}

void HiddenValues::add(std::string_view text) {
  add_word(text);
  add_password_of(text);
  for (std::string_view rest = text; !rest.empty(); skip(rest, kBetween)) {
    const std::string_view word = take(rest, kBetweenOrEquals);
    std::string_view after = rest;
    skip(after, kSpace);
    if (!after.starts_with('=')) {
      if (!word.contains("://")) add_word(word);
      continue;
    }
    rest = after.substr(1);
    skip(rest, kSpace);
    const std::string_view name = word.substr(word.rfind(':') + 1);
    std::string_view value = take_value(rest);
    if (std::ranges::find(kOpen, name) != kOpen.end()) continue;
    add_word(value);
    for (skip(value, kSpace); !value.empty(); skip(value, kSpace)) add_word(take(value, kSpace));
  }
}

void HiddenValues::leave_out(std::string& text) const {
  for (const std::string& one : words_) {
    for (std::size_t at = 0; (at = text.find(one, at)) != std::string::npos; at += kInstead.size())
      text.replace(at, one.size(), kInstead);
  }
}

}  // namespace akm::ctl
