// The server of database_suite.h: started once by Criterion's first process. The tests are processes of their
// own, which find it by the environment.
#include <criterion/hooks.h>

#include "tests/unit/store/database_suite.h"

namespace {
constexpr const char* kVariable = "AKM_TEST_POSTGRES";
std::unique_ptr<akm::test::PostgresServer> g_server;
}  // namespace

akm::test::PostgresServer* akm::test::shared_server() {
  static std::unique_ptr<PostgresServer> server;
  const char* folder = std::getenv(kVariable);
  if (folder != nullptr && server == nullptr) server = std::make_unique<PostgresServer>(std::string(folder));
  return server.get();
}

ReportHook(PRE_ALL)(struct criterion_test_set*) {
  if (akm::test::postgres_programs().empty()) return;
  g_server = std::make_unique<akm::test::PostgresServer>();
  ::setenv(kVariable, g_server->folder().c_str(), 1);
}

ReportHook(POST_ALL)(struct criterion_global_stats*) {
  g_server.reset();
}
