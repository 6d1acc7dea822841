#include <criterion/criterion.h>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;
using node::NodeState;
using service::BundleOffer;

namespace {

void run_aside(NodeBench& bench) {
  for (auto& job : std::exchange(bench.aside, {})) job()();
}

struct Drives {
  std::vector<BundleOffer> on_them;
  std::size_t looks = 0;
  void watch(NodeBench& bench) {
    bench.node->offer_bundles([this] {
      ++looks;
      return on_them;
    });
  }
};

}  // namespace

Test(node_offers, a_bundle_is_offered_once_and_nothing_is_done_with_it) {
  NodeBench bench;
  Drives drives;
  drives.on_them = {{"/dev/sdb1", "a.akmbundle", {1}, ""}, {"/dev/sdb1", "b.akmbundle", {}, "It is a FIFO"}};
  drives.watch(bench);
  for (int i = 0; i < 10; ++i) bench.node->drives_changed();
  cr_assert(bench.aside.empty(), "it waits until the drive has settled");
  bench.pass(std::chrono::seconds(1));
  cr_assert_eq(bench.aside.size(), 1);
  run_aside(bench);
  cr_assert_eq(drives.looks, 1);
  cr_assert(bench.event("bundle-offered") != nullptr);
  cr_assert(bench.event("bundle-refused") != nullptr);
  const auto bundles = bench.node->status().bundles;
  cr_assert_eq(bundles.size(), 2);
  cr_assert_eq(bundles[0].tries_left, service::kBundleTries);
  cr_assert(bundles[0].refusal.empty());
  cr_assert_eq(bundles[1].tries_left, 0U);
  cr_assert_eq(bench.state(), NodeState::unprovisioned);

  const std::size_t said = bench.events.history().size();
  bench.node->drives_changed();
  bench.pass(std::chrono::seconds(1));
  run_aside(bench);
  cr_assert_eq(bench.events.history().size(), said, "the same is not said again");
  drives.on_them.clear();
  bench.node->drives_changed();
  bench.pass(std::chrono::seconds(1));
  run_aside(bench);
  cr_assert(bench.node->status().bundles.empty());
}

Test(node_offers, a_provisioned_node_does_not_look) {
  NodeBench bench;
  Drives drives;
  drives.on_them = {{"/dev/sdb1", "a.akmbundle", {1}, ""}};
  drives.watch(bench);
  bench.pass(std::chrono::seconds(1));
  cr_assert(bench.provision().has_value());
  run_aside(bench);
  cr_assert(bench.node->status().bundles.empty(), "what was found too late is not offered");
  const std::size_t before = drives.looks;
  bench.node->drives_changed();
  bench.pass(std::chrono::seconds(1));
  cr_assert(bench.aside.empty());
  cr_assert_eq(drives.looks, before);
  bench.node->zeroize([](const Result<std::string>&) {});
  bench.pass(std::chrono::seconds(1));
  run_aside(bench);
  cr_assert_eq(bench.node->status().bundles.size(), 1, "then it looks again");
}

Test(node_offers, a_thread_that_has_much_to_do_is_asked_again) {
  NodeBench bench;
  Drives drives;
  bench.fail_aside = true;
  drives.watch(bench);
  bench.pass(std::chrono::seconds(2));
  cr_assert_eq(drives.looks, 0);
  bench.fail_aside = false;
  bench.pass(std::chrono::seconds(1));
  run_aside(bench);
  cr_assert_eq(drives.looks, 1);
}
