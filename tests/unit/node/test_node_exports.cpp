#include <criterion/criterion.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/node_bench.h"

using namespace akm;
using namespace akm::test;

namespace {

constexpr keyring::Serial kRing = 77;
const keyring::KeyId kKey{kOperationalAsr, keyring::KeyId::Slot::user_export, "vpn", ::getuid()};

/// A member whose configuration lets this process have the key "vpn".
struct Exporting : NodeBench {
  Exporting() {
    settings.consumers = {{.name = "vpn",
                           .asr = "asr-1",
                           .user = std::to_string(::getuid()),
                           .executable = std::filesystem::read_symlink("/proc/self/exe").string(),
                           .types = {"user"}}};
    restart();
    make_member();
    settle();
  }
  void restart() {
    start();
    keys.keyrings = {{kRing, ::getuid()}};
    node->set_observer({.status_changed = [this] { ++status_changes; },
                        .asr_changed = {},
                        .event = {},
                        .key_changed =
                            [this](std::uint64_t asr, const ExportedKey& key, bool revoked) {
                              cr_assert_eq(asr, kOperationalAsr);
                              (revoked ? ended : renewed).push_back(key);
                            }});
  }
  Result<std::int32_t> get(const std::string& name = "vpn") {
    Caller caller;
    caller.uid = ::getuid();
    caller.pid = ::getpid();
    return node->export_key(
        {.asr_id = kOperationalAsr, .name = name, .context = {}, .type = "user", .keyring = kRing}, caller);
  }
  [[nodiscard]] std::vector<ExportedKey> shown() const {
    for (const AsrSnapshot& asr : node->asrs()) {
      if (asr.id == kOperationalAsr) return asr.exported_keys;
    }
    return {};
  }
  std::vector<ExportedKey> renewed;
  std::vector<ExportedKey> ended;
};

}  // namespace

Test(node_exports, a_consumer_gets_a_key_and_it_is_said_and_shown) {
  Exporting bench;
  const auto serial = bench.get();
  cr_assert(serial, "%s", serial ? "" : serial.error().message().c_str());
  const EventRecord* said = bench.event("key-exported");
  cr_assert_not_null(said);
  cr_assert_eq(said->asr_id, kOperationalAsr);
  cr_assert_eq(said->fields.at("consumer"), "vpn");
  cr_assert_eq(said->fields.at("uid"), std::to_string(::getuid()));
  cr_assert_eq(bench.shown().at(0).serial, *serial);
  cr_assert_eq(bench.shown()[0].users.at(0), ::getuid());
  for (const std::int32_t guarded : bench.probes.guarded)
    cr_assert_neq(guarded, *serial, "its use is no breach");
}

Test(node_exports, a_refused_one_is_said_too) {
  Exporting bench;
  cr_assert(bench.get("other").error().code == Errc::not_authorized);
  cr_assert_not_null(bench.event("key-export-refused"));
  const auto said = [&] {
    return std::ranges::count(bench.events.history(), "key-export-refused", &EventRecord::name);
  };
  for (int i = 0; i < 50; ++i) (void)bench.get("other");
  cr_assert_eq(said(), 1, "a flood is not told one by one");
  cr_assert_eq(bench.node->status().counters.at("key_exports_refused"), 51);
  bench.pass(std::chrono::seconds(11));
  (void)bench.get("other");
  cr_assert_eq(said(), 2);
  cr_assert_eq(bench.shown().size(), 0);
}

Test(node_exports, a_new_generation_renews_it_under_its_serial) {
  Exporting bench;
  const auto serial = bench.get();
  const auto before = bench.keys.get(kKey);
  bench.install(bench.operational(2));
  bench.settle();
  cr_assert_eq(bench.renewed.size(), 1);
  cr_assert_eq(bench.renewed[0].generation, 2);
  cr_assert_eq(bench.renewed[0].serial, *serial);
  const auto after = bench.keys.get(kKey);
  cr_assert_not(std::ranges::equal(before->reveal(), after->reveal()));
}

Test(node_exports, a_breach_revokes_it_at_once) {
  Exporting bench;
  const auto serial = bench.get();
  bpf::ProbeRecord record = foreign_key_read(bench.probes.guarded.front());
  record.uid = 0;
  bench.probes.records.push_back(record);
  bench.node->sentry().readable();
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.ended.size(), 1);
  cr_assert_eq(bench.ended[0].serial, *serial);
  cr_assert_not_null(bench.event("key-export-ended"));
}

Test(node_exports, retiring_and_zeroizing_revoke_it) {
  Exporting bench;
  cr_assert(bench.get());
  bench.ask(protocol::Method::retire, protocol::RetireRequest{kOperationalAsr}.encode());
  bench.settle();
  cr_assert_not(bench.keys.has_keys_of(kOperationalAsr));
  cr_assert_eq(bench.ended.size(), 1);
  bench.install(bench.operational(2));
  bench.settle();
  cr_assert(bench.get());
  bench.node->zeroize([](const Result<std::string>& receipt) { cr_assert(receipt); });
  cr_assert_eq(bench.keys.keys.size(), 0);
  cr_assert_eq(bench.ended.size(), 2);
}

Test(node_exports, after_a_start_it_is_asked_for_again) {
  Exporting bench;
  cr_assert(bench.get());
  bench.restart();
  cr_assert_eq(bench.shown().size(), 0);
  cr_assert(bench.get());
}

Test(node_exports, released_by_who_holds_it) {
  Exporting bench;
  const auto serial = bench.get();
  Caller caller;
  caller.uid = ::getuid();
  caller.pid = ::getpid();
  cr_assert(bench.node->release_key(kOperationalAsr, *serial, caller));
  cr_assert_eq(bench.keys.keys.count(kKey), 0);
  cr_assert_eq(bench.ended.size(), 1);
}
