#include <criterion/criterion.h>

#include <filesystem>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;

namespace {

constexpr std::string_view kCode = "ABCDE-FGHJK-MNPQR-STVWX";

struct Bench : NodeBench {
  Bench() {
    settings.activate_automatically = false;
    const auto bytes =
        protocol::seal_bundle(bundle(), *protocol::parse_code(kCode), random, {.n = 16384, .r = 8, .p = 1});
    path = folder.write("drive/a.akmbundle", std::string(bytes->begin(), bytes->end()));
  }
  void begin() {
    const auto code =
        dbus::make_sealed_memfd("code", {reinterpret_cast<const std::uint8_t*>(kCode.data()), kCode.size()});
    node->provision_from_file(path, UniqueFd(::dup(code->get())), [](const Status&) {});
  }
  /// Until so many jobs have run: reading, scrypt, consuming.
  void run_aside(std::size_t most = 10) {
    while (!aside.empty() && most-- > 0) {
      auto job = std::move(aside.front());
      aside.erase(aside.begin());
      job()();
    }
  }
  [[nodiscard]] bool is_there() const { return std::filesystem::exists(path); }
  std::string path;
};

}  // namespace

Test(node_leftover, what_a_crash_left_on_the_drive_is_removed_at_the_next_start) {
  Bench bench;
  bench.begin();
  bench.run_aside(2);
  cr_assert_eq(bench.state(), NodeState::provisioned);
  cr_assert(bench.is_there());
  bench.aside.clear();  // the power goes
  bench.start();
  cr_assert_eq(bench.node->status().findings.size(), 1U);
  bench.run_aside();
  cr_assert_not(bench.is_there());
  cr_assert(bench.event("bundle-removed") != nullptr);
  cr_assert(bench.node->status().findings.empty());
  bench.start();
  cr_assert(bench.aside.empty(), "that was all");
}

Test(node_leftover, a_drive_that_comes_back_is_cleaned) {
  Bench bench;
  bench.begin();
  bench.run_aside(2);
  std::filesystem::rename(bench.folder.file("drive"), bench.folder.file("away"));
  bench.aside.clear();
  bench.start();
  bench.run_aside();
  cr_assert(bench.event("bundle-removed") == nullptr);
  bool looked = false;
  bench.node->offer_bundles([&looked] {
    looked = true;
    return std::vector<service::BundleOffer>();
  });
  bench.pass(std::chrono::seconds(1));
  bench.run_aside();
  cr_assert(looked, "a provisioned node looks for this one");
  std::filesystem::rename(bench.folder.file("away"), bench.folder.file("drive"));
  bench.node->drives_changed();
  bench.pass(std::chrono::seconds(1));
  bench.run_aside();
  cr_assert_not(bench.is_there());
  looked = false;
  bench.node->drives_changed();
  bench.pass(std::chrono::seconds(1));
  bench.run_aside();
  cr_assert_not(looked, "and for no other");
}

Test(node_leftover, a_bundle_whose_credentials_were_not_taken_is_left_alone) {
  Bench bench;
  bench.store.fail_writes_of = "used-bundles";
  bench.store.fail_removes = true;  // the note stays, as after a crash
  bench.begin();
  bench.run_aside();
  cr_assert_eq(bench.state(), NodeState::unprovisioned);
  cr_assert(bench.store.records.contains("bundle-left"));
  bench.store.fail_removes = false;
  bench.start();
  bench.run_aside();
  cr_assert(bench.is_there());
  cr_assert_not(bench.store.records.contains("bundle-left"));
}

Test(node_leftover, an_ordinary_import_leaves_no_note) {
  Bench bench;
  bench.begin();
  bench.run_aside();
  cr_assert_not(bench.is_there());
  cr_assert_not(bench.store.records.contains("bundle-left"));
}
