#include "daemon/service/config.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;
using akm::test::TemporaryFolder;

namespace {

Schema schema() {
  return {
      {.name = "network.listen", .standard = std::string("0.0.0.0:7400"), .doc = "Where.", .choices = {}},
      {.name = "network.backend",
       .standard = std::string("auto"),
       .doc = "How.",
       .choices = {"auto", "epoll"}},
      {.name = "tpm.nv_index",
       .standard = std::int64_t{7},
       .doc = "Which.",
       .minimum = 1,
       .maximum = 0x81000001,
       .choices = {}},
      {.name = "bus.polkit", .standard = true, .doc = "Ask.", .choices = {}},
      {.name = "a.b.list", .standard = std::vector<std::string>{"x"}, .doc = "Many.", .choices = {}},
  };
}

std::string error_of(const std::string& text) {
  const TemporaryFolder folder;
  const auto loaded = Config::load(folder.write("a.toml", text), schema());
  cr_assert_not(loaded.has_value(), "was accepted: %s", text.c_str());
  std::string detail = loaded.error().detail;
  const auto at = detail.find(folder.path());
  return at == std::string::npos ? detail : detail.erase(at, folder.path().size() + 1);
}

}  // namespace

Test(config, defaults_hold_where_nothing_is_set) {
  const TemporaryFolder folder;
  const auto config = Config::load(folder.write("a.toml", ""), schema());
  cr_assert(config.has_value());
  cr_assert_eq(config->text("network.listen"), "0.0.0.0:7400");
  cr_assert_eq(config->integer("tpm.nv_index"), 7);
  cr_assert(config->boolean("bus.polkit"));
  cr_assert_eq(config->list("a.b.list").size(), 1);
  cr_assert_eq(config->origin("bus.polkit"), "default");
}

Test(config, values_keep_their_type_and_place) {
  const TemporaryFolder folder;
  const auto config = Config::load(
      folder.write("a.toml",
                   "[tpm]\nnv_index = 0x81000001\n[bus]\npolkit = false\n[a.b]\nlist = [\"p\", \"q\"]\n"),
      schema());
  cr_assert(config.has_value());
  cr_assert_eq(config->integer("tpm.nv_index"), 0x81000001);
  cr_assert_not(config->boolean("bus.polkit"));
  cr_assert_eq(config->list("a.b.list").at(1), "q");
  cr_assert_eq(config->origin("bus.polkit"), folder.file("a.toml") + ":4");
  cr_assert_eq(config->invalid("bus.polkit", "no").detail, folder.file("a.toml") + ":4: bus.polkit: no");
}

Test(config, drop_ins_win_in_the_order_of_their_names) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a.toml", "[network]\nlisten = \"main\"\nbackend = \"epoll\"\n");
  folder.write("a.toml.d/20.toml", "[network]\nlisten = \"second\"\n");
  folder.write("a.toml.d/10.toml", "[network]\nlisten = \"first\"\n");
  folder.write("a.toml.d/30.conf", "not read");
  folder.write("a.toml.d/.hidden.toml", "not read");
  const auto config = Config::load(path, schema());
  cr_assert(config.has_value());
  cr_assert_eq(config->text("network.listen"), "second");
  cr_assert_eq(config->text("network.backend"), "epoll");
  cr_assert_eq(config->origin("network.listen"), folder.file("a.toml.d/20.toml") + ":2");
}

Test(config, unknown_keys_name_file_and_line) {
  cr_assert_eq(error_of("[network]\n\nlisten = \"x\"\nlissten = \"y\"\n"),
               "a.toml:4: unknown key network.lissten");
  cr_assert_eq(error_of("[netwrok]\nlisten = \"x\"\n"), "a.toml:1: unknown key netwrok");
  cr_assert_eq(error_of("listen = 1\n"), "a.toml:1: unknown key listen");
}

Test(config, wrong_types_and_values_name_file_and_line) {
  cr_assert_eq(error_of("[bus]\npolkit = \"yes\"\n"), "a.toml:2: bus.polkit must be true or false");
  cr_assert_eq(error_of("[bus]\npolkit = 1\n"), "a.toml:2: bus.polkit must be true or false");
  cr_assert_eq(error_of("[tpm]\nnv_index = 0\n"),
               "a.toml:2: tpm.nv_index must be an integer from 1 to 2164260865");
  cr_assert_eq(error_of("[tpm]\nnv_index = 1.0\n"),
               "a.toml:2: tpm.nv_index must be an integer from 1 to 2164260865");
  cr_assert_eq(error_of("[network]\nbackend = \"poll\"\n"),
               "a.toml:2: network.backend must be one of \"auto\" \"epoll\"");
  cr_assert_eq(error_of("[a.b]\nlist = [1]\n"), "a.toml:2: a.b.list must be a list of at most 64 texts");
  cr_assert_eq(error_of("network = 3\n"), "a.toml:1: network must be a table");
  cr_assert(error_of("[network]\nlisten = \"a\\u0000b\"\n").find("must be a text") != std::string::npos);
}

Test(config, broken_toml_names_file_and_line) {
  cr_assert(error_of("[network]\nlisten = \n").starts_with("a.toml:2"), "%s",
            error_of("[network]\nlisten = \n").c_str());
}

Test(config, what_is_no_plain_small_file_is_refused) {
  const TemporaryFolder folder;
  cr_assert_eq(Config::load(folder.file("none.toml"), schema()).error().code, Errc::io_failed);
  cr_assert_eq(Config::load(folder.path(), schema()).error().code, Errc::config_invalid);
  cr_assert_eq(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
  cr_assert_eq(Config::load(folder.file("fifo"), schema()).error().code, Errc::config_invalid);
  const std::string big = folder.write("big.toml", std::string(kConfigFileBytes + 1, '#'));
  cr_assert_eq(Config::load(big, schema()).error().code, Errc::too_large);
}

Test(config, the_example_is_a_valid_file_and_stays_one_when_uncommented) {
  const TemporaryFolder folder;
  const std::string example = example_config("Title", schema());
  cr_assert(Config::load(folder.write("a.toml", example), schema()).has_value());
  std::string active;
  std::string line;
  for (const char c : example) {
    line += c;
    if (c != '\n') continue;
    active += line.starts_with("#") && !line.starts_with("# ") ? line.substr(1) : line;
    line.clear();
  }
  const auto config = Config::load(folder.write("b.toml", active), schema());
  cr_assert(config.has_value(), "%s", config.has_value() ? "" : config.error().detail.c_str());
  cr_assert_neq(config->origin("a.b.list"), "default");
  cr_assert_eq(config->integer("tpm.nv_index"), 7);
}

Test(config, what_the_parser_cannot_take_is_refused_before_it) {
  cr_assert_eq(error_of("[network]\nlisten = \"\xc3\xa9\"\n"),
               "a.toml:2: not ASCII: in a text write \\uXXXX");
  cr_assert_eq(error_of("\xcc\x9bi 7"), "a.toml:1: not ASCII: in a text write \\uXXXX");
  cr_assert_eq(error_of("[network]\nlisten = '''a\n'''\n"), "a.toml:2: texts of several lines are not taken");
  cr_assert(error_of("[=]\n").starts_with("a.toml:1: "));
  const TemporaryFolder folder;
  const auto config =
      Config::load(folder.write("a.toml", "  # \xc3\xa9\n[network]\nlisten = \"\\u00e9\"\n"), schema());
  cr_assert(config.has_value());
  cr_assert_eq(config->text("network.listen"), "\xc3\xa9");
}

namespace {

Schema with_tables() {
  Schema out = schema();
  out.push_back({.name = "users[].name", .standard = std::string(), .doc = "Who.", .choices = {}});
  out.push_back({.name = "users[].size",
                 .standard = std::int64_t{3},
                 .doc = "Big.",
                 .minimum = 1,
                 .maximum = 9,
                 .choices = {}});
  return out;
}

std::string error_of_tables(const std::string& text) {
  const TemporaryFolder folder;
  const auto loaded = Config::load(folder.write("a.toml", text), with_tables());
  cr_assert_not(loaded.has_value(), "was accepted: %s", text.c_str());
  std::string detail = loaded.error().detail;
  return detail.erase(0, detail.find("a.toml"));
}

}  // namespace

Test(config, tables_of_an_array_add_up_over_all_files) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("a.toml", "[[users]]\nname = \"a\"\n\n[[users]]\nname = \"b\"\nsize = 5\n");
  std::filesystem::create_directory(path + ".d");
  (void)folder.write("a.toml.d/1.toml", "[bus]\npolkit = false\n[[users]]\nname = \"c\"\n");
  const auto config = Config::load(path, with_tables());
  cr_assert(config.has_value(), "%s", config ? "" : config.error().message().c_str());
  const auto& users = config->tables("users");
  cr_assert_eq(users.size(), 3);
  cr_assert_eq(users[0].text("name"), "a");
  cr_assert_eq(users[0].integer("size"), 3);
  cr_assert_eq(users[1].integer("size"), 5);
  cr_assert_eq(users[2].text("name"), "c");
  cr_assert(users[1].origin("name").ends_with("a.toml:5"), "%s", users[1].origin("name").c_str());
  cr_assert(users[0].origin("size").ends_with("a.toml:1"), "the table's: %s",
            users[0].origin("size").c_str());
  cr_assert_not(config->boolean("bus.polkit"));
  cr_assert(Config(with_tables()).tables("users").empty());
}

Test(config, what_was_set_comes_back_from_its_text) {
  const TemporaryFolder folder;
  const auto config = Config::load(
      folder.write("a.toml",
                   "[network]\nlisten = \"\\u00e9 \\U0001F511 \\\\ \\\"\"\n[[users]]\nname = \"x\"\n"),
      with_tables());
  cr_assert(config.has_value(), "%s", config ? "" : config.error().detail.c_str());
  const std::string text = text_of(config->set_values(), config->set_tables());
  const auto again = Config::parse(text, "text", with_tables());
  cr_assert(again.has_value(), "%s", again ? "" : again.error().detail.c_str());
  cr_assert_eq(again->text("network.listen"), config->text("network.listen"));
  cr_assert(again->set_values() == config->set_values());
  cr_assert(again->set_tables() == config->set_tables());
}

Test(config, tables_of_an_array_are_checked_like_all_else) {
  cr_assert_eq(error_of_tables("[[users]]\nsize = 10\n"), "a.toml:2: size must be an integer from 1 to 9");
  cr_assert_eq(error_of_tables("[[users]]\nother = 1\n"), "a.toml:2: unknown key other");
  cr_assert_eq(error_of_tables("[users]\nname = \"a\"\n"), "a.toml:1: users must be tables: [[users]]");
  cr_assert_eq(error_of_tables("users = [1]\n"), "a.toml:1: users must be tables: [[users]]");
  cr_assert_eq(error_of_tables("\"users[]\".name = \"a\"\n"), "a.toml:1: unknown key users[]");
  std::string many;
  for (std::size_t i = 0; i <= kConfigTables; ++i) many += "[[users]]\n";
  cr_assert(error_of_tables(many).ends_with("more than 64 tables users"));
}

Test(config, the_example_shows_tables_as_comments) {
  const std::string example = example_config("Example", with_tables());
  cr_assert(example.contains("\n#[[users]]\n"), "%s", example.c_str());
  const TemporaryFolder folder;
  const auto config = Config::load(folder.write("a.toml", example), with_tables());
  cr_assert(config.has_value());
  cr_assert(config->tables("users").empty());
}

Test(config, an_error_does_not_repeat_a_value) {
  for (const char* line : {"pin = trustno1", "pin = 123456789012345678901234567890"}) {
    const std::string error = error_of("[a]\n" + std::string(line) + "\n");
    cr_expect(!error.contains("trus") && !error.contains("1234") && error.contains("'...'"), "%s",
              error.c_str());
  }
}

Test(config, values_without_a_schema) {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("a.toml", "x = 1\n[a]\none = 1\ntwo = \"2\"\nb.c = 1\n[[d]]\ne = 1\n");
  (void)folder.write("a.toml.d/1.toml", "[a]\none = 2\n");
  cr_assert_eq(*values_in(path), (Values{{"a.one", std::int64_t{2}}, {"a.two", std::string("2")}}));
  (void)folder.write("a.toml.d/2.toml", "[a\n");
  cr_assert_eq(values_in(path).error().code, Errc::config_invalid);
  cr_assert_eq(values_in(folder.file("none")).error().code, Errc::io_failed);
}
