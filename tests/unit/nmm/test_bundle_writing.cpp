#include "daemon/nmm/bundle_writing.h"

#include <criterion/criterion.h>

#include <deque>
#include <filesystem>
#include <optional>
#include <utility>

#include "dbus/sealed_memfd.h"
#include "tests/support/sample_bundle.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::nmm;

namespace {

struct Bench {
  test::TemporaryFolder drive;
  std::deque<keyring::TpmWorker::Job> jobs;
  std::optional<service::BundleReply> making;  // what a database would answer later
  std::optional<Result<WrittenBundle>> out;
  bool full = false;

  void write(const std::string& place, const std::string& name = "north") {
    write_bundle(
        [this](keyring::TpmWorker::Job job) -> Status {
          if (full) return fail(Errc::busy);
          jobs.push_back(std::move(job));
          return {};
        },
        {place, false}, name, [this](service::BundleReply reply) { making = std::move(reply); },
        [this](Result<WrittenBundle> written) { out = std::move(written); });
  }
  void run() {
    while (!jobs.empty()) {
      auto job = std::move(jobs.front());
      jobs.pop_front();
      job()();
    }
  }
};

}  // namespace

Test(bundle_writing, the_place_first_then_the_credentials_then_the_file) {
  Bench bench;
  bench.write(bench.drive.path());
  cr_assert(!bench.making, "the drive is looked at aside");
  bench.run();
  cr_assert(bench.making && !bench.out);
  (*bench.making)(akm::test::sample_bundle());
  cr_assert(!bench.out, "scrypt is not for the loop thread");
  bench.run();
  cr_assert(bench.out && *bench.out);
  cr_assert_eq((*bench.out)->id, 3U);
  cr_assert_eq((*bench.out)->path, bench.drive.file("north.akmbundle"));
  cr_assert(dbus::read_sealed_memfd((*bench.out)->code.get(), 64).has_value());
}

Test(bundle_writing, without_a_place_no_serial_is_used_up) {
  for (const char* name : {"north", "../north"}) {
    Bench bench;
    (void)bench.drive.write("north.akmbundle", "there");
    bench.write(bench.drive.path(), name);
    bench.run();
    cr_assert(!bench.making);
    cr_assert(bench.out && !*bench.out);
  }
  Bench gone;
  gone.write("/nowhere/at/all");
  gone.run();
  cr_assert(!gone.making && gone.out && !*gone.out);
}

Test(bundle_writing, what_cannot_be_made_or_done_is_said) {
  Bench bench;
  bench.full = true;
  bench.write(bench.drive.path());
  cr_assert_eq(bench.out->error().code, Errc::busy);
  bench.full = false;
  bench.write(bench.drive.path());
  bench.run();
  (*bench.making)(fail(Errc::unreachable));
  cr_assert_eq(bench.out->error().code, Errc::unreachable);
  bench.write(bench.drive.path());
  bench.run();
  bench.full = true;
  (*bench.making)(akm::test::sample_bundle());
  cr_assert_eq(bench.out->error().code, Errc::busy);
  cr_assert(std::filesystem::is_empty(bench.drive.path()));
}
