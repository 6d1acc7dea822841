#include "daemon/service/direct_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

Result<DirectSettings> settings_of(const std::string& text) {
  Schema schema;
  add_direct_settings(schema);
  const test::TemporaryFolder folder;
  const auto config = Config::load(folder.write("a.toml", text), schema);
  if (!config) return std::unexpected(config.error());
  return direct_settings(*config);
}

}  // namespace

Test(direct_settings, nothing_but_local_sockets_by_default) {
  const auto settings = settings_of("");
  cr_assert(settings->addresses.exec.empty());
  cr_assert(!settings->addresses.tcp);
  cr_assert(settings->confirm == DirectConfirm::remote);
}

Test(direct_settings, what_is_allowed_is_named) {
  const auto settings = settings_of(
      "[direct]\nexec = [\"/usr/bin/ssh\"]\nhosts = [\"north\"]\ntcp = true\nconfirm = \"always\"\n");
  cr_assert_eq(settings->addresses.exec.at(0), "/usr/bin/ssh");
  cr_assert_eq(settings->addresses.hosts.at(0), "north");
  cr_assert(settings->addresses.tcp);
  cr_assert(settings->confirm == DirectConfirm::always);
  cr_assert(settings_of("[direct]\nconfirm = \"never\"\n")->confirm == DirectConfirm::never);
}

Test(direct_settings, a_program_is_a_plain_path) {
  for (const char* program : {"ssh", "/usr/bin/ssh -v", "/bin/a,b", "/bin/a=b"}) {
    cr_assert(!settings_of("[direct]\nexec = [\"" + std::string(program) + "\"]\n"), "%s", program);
  }
}
