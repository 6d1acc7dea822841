#include "daemon/service/options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>

#include <vector>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

std::vector<char*> vector_of(std::vector<std::string>& words) {
  std::vector<char*> out;
  for (std::string& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

Result<Options> parse(std::vector<std::string> words) {
  words.insert(words.begin(), "akmd");
  const auto argv = vector_of(words);
  return parse_options(static_cast<int>(words.size()), argv.data(), "/etc/akm/akmd.toml");
}

std::optional<int> answer(std::vector<std::string> words, Config& config, const Schema& schema) {
  words.insert(words.begin(), "akmd");
  const auto argv = vector_of(words);
  return answer_command_line(static_cast<int>(words.size()), argv.data(), "akmd", "/etc/akm/akmd.toml",
                             schema, config, [](const Config& read) -> Status {
                               if (read.integer("a.b") == 7) return fail(Errc::config_invalid, "not seven");
                               return {};
                             });
}

const Schema kSchema{
    {.name = "a.b", .standard = std::int64_t{1}, .doc = "Doc.", .minimum = 0, .maximum = 9, .choices = {}}};

}  // namespace

Test(options, without_arguments_it_runs_with_the_default_file) {
  const auto options = parse({});
  cr_assert(options.has_value());
  cr_assert_eq(options->action, Action::run);
  cr_assert_eq(options->config_path, "/etc/akm/akmd.toml");
}

Test(options, each_option_is_known) {
  cr_assert_eq(parse({"--config", "x"})->config_path, "x");
  cr_assert_eq(parse({"--config=x", "--check-config"})->action, Action::check_config);
  cr_assert_eq(parse({"--print-config"})->action, Action::print_config);
  cr_assert_eq(parse({"--version"})->action, Action::version);
  cr_assert_eq(parse({"--help"})->action, Action::help);
}

Test(options, mistakes_are_errors) {
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"--nonsense"}, {"--config"}, {"--config", ""}, {"stray"}, {"--version=1"}}) {
    const auto options = parse(words);
    cr_assert_not(options.has_value(), "%s was accepted", words[0].c_str());
    cr_assert_eq(options.error().code, Errc::invalid_argument);
  }
}

Test(options, run_hands_over_the_configuration, .init = cr_redirect_stderr) {
  const test::TemporaryFolder folder;
  Config config(kSchema);
  cr_assert_not(answer({"--config", folder.write("a.toml", "[a]\nb = 5\n")}, config, kSchema).has_value());
  cr_assert_eq(config.integer("a.b"), 5);
  cr_assert_eq(answer({"--config", folder.write("b.toml", "[a]\nb = 55\n")}, config, kSchema),
               std::optional<int>(2));
  cr_assert_eq(answer({"--bad"}, config, kSchema), std::optional<int>(2));
}

Test(options, questions_are_answered, .init = cr_redirect_stdout) {
  const test::TemporaryFolder folder;
  Config config(kSchema);
  for (const char* question : {"--version", "--help", "--print-config"}) {
    cr_assert_eq(answer({question}, config, kSchema), std::optional<int>(0));
  }
  cr_assert_eq(answer({"--check-config", "--config", folder.write("a.toml", "")}, config, kSchema),
               std::optional<int>(0));
}

Test(options, a_check_asks_what_the_values_mean, .init = cr_redirect_stderr) {
  const test::TemporaryFolder folder;
  Config config(kSchema);
  const std::string path = folder.write("a.toml", "[a]\nb = 7\n");
  cr_assert_eq(answer({"--check-config", "--config", path}, config, kSchema), std::optional<int>(2));
  cr_assert_not(answer({"--config", path}, config, kSchema).has_value(), "a start asks by itself");
}
