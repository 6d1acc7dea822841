#include "daemon/root/assembly.h"

#include <criterion/criterion.h>

#include <filesystem>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::root;

namespace {

struct Fixture {
  test::TemporaryFolder folder;
  SystemRandom random;
  std::unique_ptr<io::Loop> loop;
  std::unique_ptr<Assembly> assembly;
  service::Settings settings;
  RootSettings own;

  Fixture() {
    settings.state_folder = folder.file("state");
    settings.sealing = service::SealingChoice::software;
    settings.nv_index = kDefaultNvIndex;
    settings.listen = *parse_endpoint("127.0.0.1:0");
    settings.io_backend = io::BackendChoice::epoll;
    own.name = "south";
    own.database_path = folder.file("state/root.db");
  }
  ControlPort& start() {
    assembly.reset();
    loop = std::move(*io::Loop::create(settings.io_backend));
    auto made = Assembly::make(settings, own, *loop, random);
    cr_assert(made.has_value(), "%s", made ? "" : made.error().message().c_str());
    assembly = std::move(*made);
    const Status started = assembly->start({});
    cr_assert(started.has_value(), "%s", started ? "" : started.error().message().c_str());
    return assembly->port();
  }
  /// Runs the loop until the answer is there.
  template <typename T>
  Result<T> wait(const std::function<void(Reply<T>)>& ask) {
    std::optional<Result<T>> out;
    ask([&](Result<T> answer) {
      out = std::move(answer);
      loop->stop();
    });
    if (!out) (void)loop->run();
    return std::move(*out);
  }
};

}  // namespace

Test(assembly, what_was_configured_is_there_after_a_restart) {
  Fixture f;
  ControlPort& port = f.start();
  cr_assert_eq(port.status().state, "no-root-secret");
  Status created = fail(Errc::internal);
  port.create_root_secret([&](Status done) { created = std::move(done); });
  cr_assert(created.has_value());
  const auto set = f.wait<std::uint64_t>([&](Reply<std::uint64_t> reply) {
    port.configuration().set(store::RecordKind::domain, 1, {{"name", "d"}}, {}, "uid 0", std::move(reply));
  });
  cr_assert_eq(*set, 1);
  cr_assert_eq(port.status().revision, 1);
  ControlPort& again = f.start();
  const auto record = f.wait<store::ConfigRecord>([&](Reply<store::ConfigRecord> reply) {
    again.configuration().get(store::RecordKind::domain, 1, std::move(reply));
  });
  cr_assert(record.has_value(), "%s", record ? "" : record.error().message().c_str());
  cr_assert_eq(again.status().state, "ready");
  cr_assert_eq(again.status().database, "sqlite " + f.own.database_path);
}

Test(assembly, a_database_that_does_not_open_is_said_and_left_alone) {
  Fixture f;
  f.folder.write("state/root.db", std::string(8192, 'x'));
  std::filesystem::permissions(f.folder.file("state"), std::filesystem::perms::owner_all);
  ControlPort& port = f.start();
  const auto record = f.wait<store::ConfigRecord>([&](Reply<store::ConfigRecord> reply) {
    port.configuration().get(store::RecordKind::domain, 1, std::move(reply));
  });
  cr_assert(record.error().code == Errc::state_corrupt);
  cr_assert_eq(port.status().state, "database-unavailable");
  cr_assert(port.status().findings.back().contains("root.db"));
  cr_assert_eq(std::filesystem::file_size(f.own.database_path), 8192);
}

Test(assembly, without_its_state_it_says_so) {
  Fixture f;
  f.start();
  f.assembly.reset();
  f.folder.write("state/records/database-key", "damaged");
  ControlPort& port = f.start();
  cr_assert_eq(port.status().state, "sealed-unavailable");
  Status refused;
  port.create_root_secret([&](Status done) { refused = std::move(done); });
  cr_assert(!refused);
  Errc code = Errc::internal;
  port.configuration().history(
      0, [&](const Result<std::vector<store::Change>>& rows) { code = rows.error().code; });
  cr_assert(code == Errc::state_corrupt);
}
