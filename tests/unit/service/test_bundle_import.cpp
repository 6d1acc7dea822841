#include "daemon/service/bundle_import.h"

#include <criterion/criterion.h>

#include <deque>
#include <filesystem>
#include <utility>

#include "dbus/sealed_memfd.h"
#include "tests/support/memory_store.h"
#include "tests/support/sample_bundle.h"
#include "tests/support/seeded_random.h"
#include "tests/support/softhsm_fixture.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;
using akm::test::MemoryStore;

namespace {

constexpr std::string_view kRight = "ABCDE-FGHJK-MNPQR-STVWX";
constexpr std::string_view kWrong = "00000-00000-00000-00000";

UniqueFd memfd_of(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("code", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

/// A role that takes what comes, and the thread aside, which runs when the test says so.
struct Role {
  test::TemporaryFolder folder;
  MemoryStore store;
  test::SeededRandom random{4};
  Instant now{1'000'000'000};
  std::deque<keyring::TpmWorker::Job> jobs;
  std::vector<std::string> taken;  // the ways that credentials came
  std::vector<unsigned> tries_left;
  unsigned not_removed = 0;
  Status taking;
  BundleImport import{{.store = store,
                       .run_aside = [this](keyring::TpmWorker::Job job) -> Status {
                         jobs.push_back(std::move(job));
                         return {};
                       },
                       .now = [this] { return now; },
                       .take = [this](const protocol::BundleContent& one,
                                      const BundleImport::Found& found) -> Result<std::string> {
                         if (!taking) return std::unexpected(taking.error());
                         taken.push_back(one.identity.node_name + " by " + found.way);
                         return "receipt\n";
                       },
                       .wrong_code = [this](unsigned left) { tries_left.push_back(left); },
                       .removed = [this](const BundleImport::Found&,
                                         const Status& removed) { not_removed += removed ? 0U : 1U; }}};

  std::string bundle() {
    const auto bytes = protocol::seal_bundle(akm::test::sample_bundle(), *protocol::parse_code(kRight),
                                             random, {.n = 16384, .r = 8, .p = 1});
    return folder.write("north.akmbundle", std::string(bytes->begin(), bytes->end()));
  }
  void run() {
    while (!jobs.empty()) {
      auto job = std::move(jobs.front());
      jobs.pop_front();
      job()();
    }
  }
  Status file(const std::string& path, std::string_view code) {
    std::optional<Status> outcome;
    import.from_file({path, {}}, memfd_of(code), [&outcome](const Status& status) { outcome = status; });
    run();
    return *outcome;
  }
};

}  // namespace

Test(bundle_import, nothing_is_read_or_opened_on_the_loop) {
  Role role;
  const std::string path = role.bundle();
  std::optional<Status> outcome;
  role.import.from_file({path, {}}, memfd_of(kRight), [&outcome](const Status& s) { outcome = s; });
  cr_assert(!outcome && role.import.under_way());
  cr_assert_eq(role.file(path, kRight).error().code, Errc::busy, "one at a time");
  cr_assert(outcome && *outcome);
  cr_assert(!role.import.under_way());
  cr_assert_eq(role.taken.at(0), "north by file");
  cr_assert(!std::filesystem::exists(path));
  cr_assert(std::filesystem::exists(role.folder.file("north.akmreceipt")));
}

Test(bundle_import, wrong_codes_wait_longer_and_the_fifth_makes_it_void) {
  Role role;
  const std::string path = role.bundle();
  for (unsigned failed = 1; failed <= kBundleTries; ++failed) {
    cr_assert_eq(role.file(path, kWrong).error().code, Errc::wrong_code);
    if (failed == kBundleTries) break;
    cr_assert_eq(role.file(path, kRight).error().code, Errc::busy, "the next try waits");
    role.now = role.now + pause_after_tries(failed);
  }
  cr_assert_eq(role.file(path, kRight).error().code, Errc::bundle_void);
  cr_assert_eq(role.tries_left, (std::vector<unsigned>{4, 3, 2, 1, 0}));
  cr_assert(role.taken.empty());
}

Test(bundle_import, what_the_role_refuses_stays_where_it_is) {
  Role role;
  const std::string path = role.bundle();
  role.taking = fail(Errc::hardware_mismatch);
  for (int i = 0; i < 6; ++i) cr_assert_eq(role.file(path, kRight).error().code, Errc::hardware_mismatch);
  cr_assert(std::filesystem::exists(path));
  role.taking = {};
  cr_assert(role.file(path, kRight).has_value(), "and no try was counted");
}

Test(bundle_import, a_bundle_that_cannot_be_removed_is_used_all_the_same) {
  Role role;
  const std::string path = role.bundle();
  std::optional<Status> outcome;
  role.import.from_sealed_file(
      {path, {}},
      [&path](std::span<const std::uint8_t>) -> Result<protocol::BundleContent> {
        std::filesystem::remove(path);
        std::filesystem::create_directory(path);  // what consuming finds in its place
        return akm::test::sample_bundle();
      },
      [&outcome](const Status& s) { outcome = s; });
  role.run();
  cr_assert(outcome && *outcome);
  cr_assert_eq(role.taken.size(), 1U);
  cr_assert_eq(role.not_removed, 1U);
}

Test(bundle_import, a_token_gives_its_bundle_once) {
  if (!test::have_softhsm()) cr_skip("%s", test::kNoSoftHsm);
  const test::SoftHsm hsm;
  Role role;
  const auto bundle = protocol::encode_token_bundle(akm::test::sample_bundle());
  cr_assert(keyring::put_in_vault(hsm.place, hsm.pin, "north", bundle->reveal()));
  const auto ask = [&](std::string_view pin) {
    std::optional<Status> outcome;
    role.import.from_token(hsm.place, memfd_of(pin), [&outcome](const Status& s) { outcome = s; });
    role.run();
    return *outcome;
  };
  cr_assert_eq(ask("9999").error().code, Errc::wrong_pin);
  cr_assert(ask("1234").has_value());
  cr_assert_eq(role.taken.at(0), "north by token");
  cr_assert_eq(ask("1234").error().code, Errc::already_consumed);
}

Test(bundle_import, what_hangs_is_abandoned) {
  Role role;
  std::optional<Status> outcome;
  role.import.from_file({role.bundle(), {}}, memfd_of(kRight), [&outcome](const Status& s) { outcome = s; });
  cr_assert(role.import.under_way());
  role.import.abandon({Errc::busy, "zeroized"});
  cr_assert_eq(outcome->error().code, Errc::busy);
  cr_assert_not(role.import.under_way());
  role.run();  // the drive comes back from what it was asked
  cr_assert(role.taken.empty());
}
