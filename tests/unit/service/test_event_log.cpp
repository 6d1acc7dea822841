#include "daemon/service/event_log.h"

#include <criterion/criterion.h>

#include <fstream>
#include <iterator>

#include "daemon/base/log.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

EventRecord event(const std::string& name) {
  return {
      .name = name, .severity = 4, .boottime_ns = 7, .asr_id = 0xab, .fields = {{"key_check", "01020304"}}};
}

}  // namespace

Test(event_log, history_is_bounded_and_oldest_first) {
  const test::TemporaryFolder folder;
  cr_assert(log::open({.target = log::Options::Target::text, .file = folder.file("log")}).has_value());
  EventLog events(2);
  for (const char* name : {"one", "two", "three"}) events.add(event(name), {}, "sentence");
  cr_assert_eq(events.history().size(), 2);
  cr_assert_eq(events.history().front().name, "two");
}

Test(event_log, the_observer_is_told_unless_it_is_not_to_be) {
  const test::TemporaryFolder folder;
  cr_assert(log::open({.target = log::Options::Target::text, .file = folder.file("log")}).has_value());
  EventLog events(4);
  std::vector<EventRecord> told;
  events.set_observer([&](const EventRecord& record) { told.push_back(record); });
  events.add(event("one"), {}, "sentence");
  events.add(event("silent"), {}, "sentence", false);
  cr_assert_eq(told.size(), 1);
  cr_assert_eq(told[0].boottime_ns, 7);
  EventRecord now = event("now");
  now.boottime_ns = 0;
  events.add(now, {}, "sentence");
  cr_assert_gt(told[1].boottime_ns, 0);
}

Test(event_log, the_log_line_has_the_fields) {
  const test::TemporaryFolder folder;
  cr_assert(log::open({.target = log::Options::Target::text, .file = folder.file("log")}).has_value());
  EventLog events(4);
  events.add(event("session-committed"), {}, "A sentence");
  std::ifstream in(folder.file("log"));
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  for (const char* wanted :
       {"A sentence", "AKM_EVENT", "session-committed", "AKM_KEY_CHECK", "01020304", "00000000000000ab"}) {
    cr_assert_neq(text.find(wanted), std::string::npos, "no %s in: %s", wanted, text.c_str());
  }
}
