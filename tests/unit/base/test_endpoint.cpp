#include "daemon/base/endpoint.h"

#include <criterion/criterion.h>

using namespace akm;

Test(endpoint, text_there_and_back) {
  for (const char* text :
       {"192.0.2.1:7400", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:7400", "[::]:1"}) {
    const auto endpoint = parse_endpoint(text);
    cr_assert(endpoint.has_value(), "%s", text);
    cr_assert_eq(format_endpoint(*endpoint), text);
  }
}

Test(endpoint, ipv4_and_its_mapped_form_are_one) {
  const auto plain = parse_endpoint("192.0.2.1:7400").value();
  cr_assert(plain.is_ipv4());
  cr_assert(parse_endpoint("[::ffff:192.0.2.1]:7400").value() == plain);
  cr_assert(!parse_endpoint("[2001:db8::1]:7400").value().is_ipv4());
}

Test(endpoint, anything_else_is_refused) {
  for (const char* text : {"", ":", ":7400", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1",
                           "192.0.2.1:7 ", "192.0.2:7400", "host:7400", "2001:db8::1:7400",
                           "[2001:db8::1:7400", "[]:1", "[192.0.2.1]:1", "[::1%lo]:1", "192.0.2.1:0x10"}) {
    const auto endpoint = parse_endpoint(text);
    cr_assert(!endpoint.has_value(), "%s", text);
    cr_assert(endpoint.error().code == Errc::invalid_argument);
  }
  // The refused text is quoted, cut.
  cr_assert_lt(parse_endpoint(std::string(10'000, 'x')).error().detail.size(), 200);
}
