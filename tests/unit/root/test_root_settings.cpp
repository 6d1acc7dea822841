#include "daemon/root/root_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::root;

namespace {

Result<RootSettings> load(const std::string& text) {
  const test::TemporaryFolder folder;
  AKM_ASSIGN(const auto config, service::Config::load(folder.write("akm-rootd.toml", text), root_schema()));
  AKM_ASSIGN(const auto common, service::common_settings(config, "akm-rootd"));
  return root_settings(config, common);
}

}  // namespace

Test(root_settings, defaults) {
  const auto settings = load("");
  cr_assert(settings.has_value());
  cr_assert_eq(settings->name, "root");
  cr_assert(settings->policy == protocol::Policy{});
  cr_assert(settings->database == DatabaseChoice::sqlite);
  cr_assert_eq(settings->database_path, "/var/lib/akm-rootd/root.db");
  cr_assert(settings->endpoints.empty(), "0.0.0.0 is where nobody reaches it");
}

Test(root_settings, all_of_them) {
  const auto settings = load(
      "[root]\nname = \"south\"\nbundle_expiry_s = 60\n[network]\nlisten = \"192.0.2.2:7402\"\n"
      "[database]\nkind = \"postgresql\"\nconninfo = \"host=db\"\nstatement_timeout_ms = 500\n");
  cr_assert(settings.has_value(), "%s", settings ? "" : settings.error().message().c_str());
  cr_assert_eq(settings->name, "south");
  cr_assert_eq(settings->bundle_expiry_s, 60);
  cr_assert(settings->endpoints == std::vector<std::string>{"192.0.2.2:7402"});
  cr_assert(settings->database == DatabaseChoice::postgresql);
  cr_assert_eq(settings->database_conninfo, "host=db");
  cr_assert_eq(settings->statement_timeout_ms, 500);
}

Test(root_settings, what_cannot_work_is_refused) {
  for (const char* text :
       {"[root]\nname = \"\"\n", "[database]\nkind = \"postgresql\"\n", "[database]\npath = \"root.db\"\n",
        "[database]\nkind = \"oracle\"\n", "[network]\nadvertise = [\"host:1\"]\n"}) {
    const auto settings = load(text);
    cr_assert(!settings, "%s", text);
    cr_assert(settings.error().code == Errc::config_invalid);
  }
}
