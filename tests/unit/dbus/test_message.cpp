#include "dbus/message.h"

#include <criterion/criterion.h>

#include "tests/unit/dbus/local_message.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

Test(message, plain_text) {
  for (const char* text : {"", "abc", "Süd", "\xe2\x82\xac", "\xf0\x9f\x94\x91", "\xc2\xa0"})
    cr_assert(is_plain_text(text), "%s", text);
  for (const char* text : {"\n", "a\x1b", "\x7f", "\xc2\x9b", "\xff", "\xc0\xaf", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xe2\x82", "\xe0\x80\xaf", "\xc3"}) {
    cr_assert_not(is_plain_text(text));
  }
}

Test(message, clean_text_keeps_what_is_good_and_cuts_between_characters) {
  cr_assert_eq(clean_text("Süd\xff\n!", 64),
               "Süd?"
               "?!");
  cr_assert_eq(clean_text("ab\xc3\xbc", 3), "ab");
  cr_assert_eq(clean_text("ab\xc3\xbc", 4), "ab\xc3\xbc");
  cr_assert_eq(clean_text("abc", 0), "");
  cr_assert(is_plain_text(clean_text(std::string("\x00\x80\xfe", 3), 10)));
}

Test(message, what_is_written_is_read) {
  const std::map<std::string, std::string> map{{"a", "1"}, {"b", "2"}};
  const std::map<std::string, std::uint64_t> counters{{"c", 3}};
  const LocalMessage message([&](Writer& out) {
    out.text("t")
        .u8(1)
        .boolean(true)
        .u16(2)
        .u32(3)
        .i32(-4)
        .u64(5)
        .i64(-6)
        .bytes({7, 8})
        .texts({"x", "y"})
        .u64s({9, 10});
    out.text_map(map).counter_map(counters).pairs('r', {{"k", "v"}}).u32s({11, 12});
  });
  Reader in = message.reader();
  cr_assert_eq(*in.text(10), "t");
  cr_assert_eq(*in.u8(), 1);
  cr_assert(*in.boolean());
  cr_assert_eq(*in.u16(), 2);
  cr_assert_eq(*in.u32(), 3);
  cr_assert_eq(*in.i32(), -4);
  cr_assert_eq(*in.u64(), 5);
  cr_assert_eq(*in.i64(), -6);
  cr_assert_eq(*in.bytes(2), (std::vector<std::uint8_t>{7, 8}));
  cr_assert_eq(*in.texts(2, 1), (std::vector<std::string>{"x", "y"}));
  cr_assert_eq(*in.u64s(2), (std::vector<std::uint64_t>{9, 10}));
  cr_assert(*in.text_map(2, 1) == map);
  cr_assert(*in.counter_map(1) == counters);
  cr_assert_eq(in.pairs('r', 1)->at(0).second, "v");
  cr_assert_eq(*in.u32s(2), (std::vector<std::uint32_t>{11, 12}));
  cr_assert_eq(in.u8().error().code, Errc::malformed);  // nothing is left
}

Test(message, limits_and_types) {
  const LocalMessage text([](Writer& out) { out.text("abc"); });
  cr_assert_eq(text.reader().text(2).error().code, Errc::too_large);
  cr_assert_eq(text.reader().u64().error().code, Errc::malformed);
  cr_assert_eq(text.reader().fd().error().code, Errc::malformed);
  const LocalMessage list([](Writer& out) { out.texts({"a", "b", "c"}); });
  cr_assert_eq(list.reader().texts(2, 9).error().code, Errc::too_large);
  cr_assert_eq(list.reader().u64s(9).error().code, Errc::malformed);
  const LocalMessage numbers([](Writer& out) { out.u32s({1, 2, 3}); });
  cr_assert_eq(numbers.reader().u32s(2).error().code, Errc::too_large);
  const LocalMessage twice([](Writer& out) { out.pairs('e', {{"a", "1"}, {"a", "2"}}); });
  cr_assert_eq(twice.reader().text_map(9, 9).error().code, Errc::malformed);
  cr_assert_eq(twice.reader().pairs('e', 1).error().code, Errc::too_large);
  cr_assert_eq(twice.reader().text_map(1, 9).error().code, Errc::too_large);
}

Test(message, descriptors_are_duplicates) {
  const UniqueFd pipe_end(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const LocalMessage message([&](Writer& out) { out.fd(pipe_end.get()); });
  const Result<UniqueFd> first = message.reader().fd();
  const Result<UniqueFd> second = message.reader().fd();
  cr_assert(first.has_value() && second.has_value());
  cr_assert_neq(first->get(), second->get());
  cr_assert((fcntl(first->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

Test(message, a_failed_writer_stays_failed) {
  PrivateBus daemon;
  TestClient client(daemon.address());
  sd_bus_message* message = nullptr;
  cr_assert_geq(sd_bus_message_new_method_call(client.get(), &message, "a.b", "/", "a.b", "C"), 0);
  Writer out(message);
  cr_assert_lt(out.object_path("not a path").text("x").status(), 0);
  sd_bus_message_unref(message);
}
