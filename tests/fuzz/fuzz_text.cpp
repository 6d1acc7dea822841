// Covers what people and files write as text: parse_endpoint, parse_hex, parse_hex_id, parse_code,
// format_code, set_policy_field, apply_policy_text, policy_to_text, dbus::clean_text. The first byte chooses.
#include <algorithm>

#include "daemon/base/endpoint.h"
#include "daemon/base/hex.h"
#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/one_time_code.h"
#include "daemon/service/policy_text.h"
#include "dbus/message.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

void endpoint(std::string_view text) {
  const auto one = parse_endpoint(text);
  if (!one) return;
  const auto again = parse_endpoint(format_endpoint(*one));
  require(again && *again == *one, "an endpoint is written as what it is");
}

void hexadecimal(std::string_view text) {
  if (const auto id = parse_hex_id(text)) {
    const auto again = parse_hex_id(hex_id(*id));
    require(again && *again == *id, "an id is written as what it is");
  }
  const auto bytes = parse_hex(text);
  if (!bytes) return;
  require(bytes->size() * 2 == text.size(), "two digits are a byte");
  const auto again = parse_hex(hex(*bytes));
  require(again && *again == *bytes, "and are written as what it is");
}

void code(std::string_view text) {
  const auto one = protocol::parse_code(text);
  if (!one) return;
  require(one->size() == protocol::kCodeSymbols, "a code has 20 symbols");
  const auto shown = protocol::format_code(*one);
  require(shown.has_value(), "and can be shown");
  const auto again = protocol::parse_code(fuzz::as_text(shown->reveal()));
  require(again && std::ranges::equal(again->reveal(), one->reveal()), "and typed again");
}

void policy(std::string_view text) {
  std::map<std::string, std::string> fields;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t equals = std::min(line.find('='), line.size());
    fields[std::string(line.substr(0, equals))] = line.substr(std::min(equals + 1, line.size()));
  }
  const protocol::Policy before;
  protocol::Policy after = before;
  if (!service::apply_policy_text(after, fields)) {
    require(after == before, "a policy that is refused changes nothing");
    return;
  }
  require(protocol::check_policy(after).has_value(), "what is taken is within its bounds");
  protocol::Policy again;
  require(service::apply_policy_text(again, service::policy_to_text(after)) && again == after,
          "a policy is written as what it is");
}

void for_the_bus(std::string_view text) {
  const std::string clean = dbus::clean_text(text, 64);
  require(clean.size() <= 64 && dbus::is_plain_text(clean), "cleaned text is plain and bounded");
  if (dbus::is_plain_text(text) && text.size() <= 64) require(clean == text, "plain text stays as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kReaders{&endpoint, &hexadecimal, &code, &policy, &for_the_bus};
  fuzz::Input input(data, size);
  const std::size_t which = input.below(kReaders.size());
  kReaders[which](fuzz::as_text(input.rest()));
  return 0;
}
