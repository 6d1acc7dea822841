#include "dbus/arguments.h"

#include <criterion/criterion.h>

#include "dbus/limits.h"
#include "tests/unit/dbus/local_message.h"

using namespace akm;
using namespace akm::dbus;
using namespace akm::test;

namespace {

template <typename Read>
Errc code_of(const LocalMessage& message, Read read) {
  Reader in = message.reader();
  const auto result = read(in);
  return result ? Errc::internal : result.error().code;  // internal: accepted
}

}  // namespace

Test(arguments, names) {
  const std::vector<std::string> good{"A", "Knoten Süd 7", std::string(64, 'x'), "a.b-c"};
  const std::vector<std::string> bad{"",   std::string(65, 'x'),    "a/b", ".hidden", "-rf",
                                     "..", std::string(70'000, 'y')};
  for (const std::string& name : good) {
    const LocalMessage message([&](Writer& out) { out.object_path("/").text(name); });
    Reader in = message.reader();
    cr_assert(in.object_path().has_value());
    const auto read = read_name(in, "the name");
    cr_assert(read.has_value(), "%s", name.c_str());
    cr_assert_eq(*read, name);
  }
  for (const std::string& name : bad) {
    const LocalMessage message([&](Writer& out) { out.text(name); });
    cr_assert_eq(code_of(message, [](Reader& in) { return read_name(in, "the name"); }),
                 Errc::invalid_argument, "%s", name.c_str());
  }
  const LocalMessage number([](Writer& out) { out.u64(7); });
  cr_assert_eq(code_of(number, [](Reader& in) { return read_name(in, "the name"); }), Errc::malformed);
}

Test(arguments, paths) {
  const std::vector<std::pair<std::string, std::string>> good{
      {"/", "/"}, {"/media/usb/", "/media/usb"}, {"/a/...", "/a/..."}};
  for (const auto& [given, wanted] : good) {
    const LocalMessage message([&](Writer& out) { out.text(given); });
    Reader in = message.reader();
    const auto path = read_path(in, "the path");
    cr_assert(path.has_value(), "%s", given.c_str());
    cr_assert_eq(*path, wanted);
  }
  for (const char* path : {"", "a", "./a", "/a/../b", "/..", "/a/.", "/a//b", "~/x"}) {
    const LocalMessage message([&](Writer& out) { out.text(path); });
    cr_assert_eq(code_of(message, [](Reader& in) { return read_path(in, "the path"); }),
                 Errc::invalid_argument, "%s", path);
  }
}

Test(arguments, token_uris) {
  const LocalMessage good([](Writer& out) { out.text("pkcs11:token=my%20token;object=a"); });
  Reader in = good.reader();
  cr_assert_eq(*read_token_uri(in), "pkcs11:token=my%20token;object=a");
  for (const std::string& uri :
       {std::string(), std::string("token=a"), std::string("pkcs11:token=a b"),
        std::string("pkcs11:token=\xc3\xa4"), std::string("pkcs11:token=a?pin-value=1234"),
        std::string("pkcs11:token=a?pin-source=/pin"), std::string("pkcs11:token=a?module-path=/m.so"),
        std::string("pkcs11:token=a?module-name=m"), "pkcs11:token=" + std::string(1100, 'a')}) {
    const LocalMessage message([&](Writer& out) { out.text(uri); });
    const Errc code = code_of(message, [](Reader& reader) { return read_token_uri(reader); });
    cr_assert(code == Errc::invalid_argument || code == Errc::too_large, "%s", uri.c_str());
  }
}

Test(arguments, endpoints) {
  const auto read = [](const std::vector<std::string>& list) {
    const LocalMessage message([&](Writer& out) { out.texts(list); });
    return code_of(message, [](Reader& in) { return read_endpoints(in); });
  };
  cr_assert_eq(read({}), Errc::internal);
  cr_assert_eq(read({"192.0.2.1:7400", "[2001:db8::1]:7400"}), Errc::internal);
  cr_assert_eq(read({"192.0.2.1:0"}), Errc::invalid_argument);
  cr_assert_eq(read({"host.example:7400"}), Errc::invalid_argument);
  cr_assert_eq(read({"192.0.2.1:7400", "192.0.2.1:7400"}), Errc::invalid_argument);
  cr_assert_eq(read({"1.1.1.1:1", "1.1.1.1:2", "1.1.1.1:3", "1.1.1.1:4", "1.1.1.1:5"}), Errc::too_large);
  cr_assert_eq(read({std::string(100, '1')}), Errc::too_large);
}

Test(arguments, ids_and_values) {
  const auto ids = [](const std::vector<std::uint64_t>& list) {
    const LocalMessage message([&](Writer& out) { out.u64s(list); });
    return code_of(message, [](Reader& in) { return read_node_ids(in); });
  };
  cr_assert_eq(ids({1, 2}), Errc::internal);
  cr_assert_eq(ids({}), Errc::invalid_argument);
  cr_assert_eq(ids({1, 0}), Errc::invalid_argument);
  cr_assert_eq(ids({1, 2, 1}), Errc::invalid_argument);
  cr_assert_eq(ids(std::vector<std::uint64_t>(limits::kNodesPerAsr + 1, 7)), Errc::too_large);
  const auto value = [](std::size_t size) {
    const LocalMessage message([&](Writer& out) { out.bytes(std::vector<std::uint8_t>(size, 1)); });
    return code_of(message, [](Reader& in) { return read_hardware_value(in); });
  };
  cr_assert_eq(value(0), Errc::internal);
  cr_assert_eq(value(32), Errc::internal);
  cr_assert_eq(value(31), Errc::invalid_argument);
  cr_assert_eq(value(33), Errc::too_large);
  const LocalMessage zero([](Writer& out) { out.u64(0); });
  cr_assert_eq(code_of(zero, [](Reader& in) { return read_id(in, "the id"); }), Errc::invalid_argument);
}

Test(arguments, policy) {
  const auto read = [](const std::map<std::string, std::string>& policy) {
    const LocalMessage message([&](Writer& out) { out.text_map(policy); });
    return code_of(message, [](Reader& in) { return read_policy(in); });
  };
  cr_assert_eq(read({{"rekey_interval_s", "60"}}), Errc::internal);
  cr_assert_eq(read({{"Rekey", "60"}}), Errc::invalid_argument);
  cr_assert_eq(read({{"", "60"}}), Errc::invalid_argument);
  cr_assert_eq(read({{"a", std::string(300, '1')}}), Errc::too_large);
  std::map<std::string, std::string> many;
  for (std::size_t i = 0; i <= limits::kPolicyFields; ++i) many["k" + std::to_string(i)] = "v";
  cr_assert_eq(read(many), Errc::too_large);
}
