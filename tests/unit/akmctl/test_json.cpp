#include "tools/akmctl/json.h"

#include <criterion/criterion.h>

#include <nlohmann/json.hpp>

using namespace akm;
using namespace akm::ctl;

Test(json, text_that_is_not_utf8_is_replaced_and_does_not_throw) {
  EventRecord event;
  event.name = "x\xff";
  event.fields = {{"path", "a\"b\n\\"}};
  const std::string line = json_of(dbus::Service::nmm, event);
  cr_assert_not(line.contains('\n'));
  const auto json = nlohmann::json::parse(line, nullptr, false);
  cr_assert(json.is_object());
  cr_assert_eq(json["fields"]["path"], "a\"b\n\\");
  cr_assert_eq(json["service"], "nmm");
}

Test(json, what_a_receipt_says_was_not_erased) {
  cr_assert_eq(not_erased(R"({"akm-zeroize":1,"failed":["records","secure-element"]})"),
               "records, secure-element");
  for (const char* line : {"", "{", "[]", "{}", R"({"failed":[]})", R"({"failed":[1]})", R"({"failed":"x"})"})
    cr_assert(not_erased(line).empty(), "%s", line);
}

Test(json, ids_are_hex_everywhere) {
  AsrSnapshot asr;
  asr.id = 0xff;
  asr.members = {{0, 0xa1, "A", {}, "heard", 1, 2, 3, 4, 5, "its SEI", 6}};
  asr.stragglers = {{0xa1, "A", "its SEI", 6}};
  asr.counters = {{"data_sent", 9}};
  asr.exported_keys = {{"vpn", "00ff", "user", 816, 3, 17, {7}}};
  const auto json = nlohmann::json::parse(json_of(asr), nullptr, false);
  cr_assert_eq(json["members"][0]["since_ns"], 3);
  cr_assert_eq(json["members"][0]["last_heard_ns"], 4);
  cr_assert_eq(json["members"][0]["sent_generation"], 5);
  cr_assert_eq(json["members"][0]["waits_for"], "its SEI");
  cr_assert_eq(json["stragglers"][0]["name"], "A");
  cr_assert_eq(json["counters"]["data_sent"], 9);
  cr_assert_eq(json["exported_keys"][0]["serial"], 816);
  cr_assert_eq(json["exported_keys"][0]["users"][0], 7);
  cr_assert_eq(json["id"], "00000000000000ff");
  cr_assert_eq(json["members"][0]["node_id"], "00000000000000a1");
  cr_assert_eq(json_id("k", 1), "{\"k\":\"0000000000000001\"}");
  cr_assert_eq(json_escaped("a\"b"), "a\\\"b");
}
