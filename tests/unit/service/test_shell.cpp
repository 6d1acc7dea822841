#include "daemon/service/shell.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "daemon/protocol/data_payload.h"
#include "tests/support/memory_key_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/sample_asr.h"
#include "tests/support/seeded_random.h"

using namespace akm;
using namespace akm::service;
using protocol::AsrId;

namespace {

struct Bench {
  test::MemoryStore store;
  test::MemoryKeyStore keys;
  test::SeededRandom random;
  std::vector<std::vector<std::uint8_t>> sent;
  std::vector<std::string> told;
  std::function<void(Report&)> on_report;
  Instant now{1'000'000'000};
  Shell shell{{store, &keys, random,
               [this](const Endpoint&, std::span<const std::uint8_t> frame) {
                 sent.emplace_back(frame.begin(), frame.end());
               },
               [this] { return now; }},
              {.incarnation = 1, .salt = 2},
              [this](Report& report) {
                told.push_back(std::visit([](auto& one) { return std::string(typeid(one).name()); }, report));
                if (on_report) on_report(report);
              }};

  protocol::InstallAsr install(std::uint32_t generation = 7) {
    protocol::InstallAsr event{test::sample_asr(3, random), 0, true, 0};
    event.asr.description.generation = generation;
    return event;
  }
  [[nodiscard]] bool heard(std::string_view name) const {
    return std::ranges::any_of(told,
                               [&](const std::string& one) { return one.find(name) != std::string::npos; });
  }
};

constexpr AsrId kId = 0x1122334455667788;

}  // namespace

Test(shell, an_install_is_stored_before_its_keys_are_there) {
  Bench bench;
  std::optional<Status> after;
  bench.shell.post(bench.install(), [&](const Status& status) { after = status; });
  cr_assert(after.has_value() && after->has_value());
  cr_assert_eq(asr_record_name(kId), "asr-1122334455667788");
  cr_assert(bench.store.records.contains(asr_record_name(kId)));
  cr_assert(bench.keys.has_keys_of(kId));
  cr_assert_gt(bench.keys.last_timeout_s, 3600);
  cr_assert(bench.heard("GenerationSwitched"));
  cr_assert(bench.heard("KeysChanged"));
}

Test(shell, a_failed_store_stops_the_list_and_undoes_the_event) {
  Bench bench;
  bench.store.fail_writes = true;
  std::optional<Status> after;
  bench.shell.post(bench.install(), [&](const Status& status) { after = status; });
  cr_assert(after.has_value() && !after->has_value());
  cr_assert_eq(after->error().code, Errc::disk_full);
  cr_assert_not(bench.keys.has_keys_of(kId), "keys without a record");
  cr_assert_not(bench.shell.engine().view(kId).has_value());
  cr_assert(bench.heard("EffectFailed"));
  cr_assert_eq(bench.shell.counters().store_failures, 1);
  // And it works as soon as the disk does.
  bench.store.fail_writes = false;
  bench.shell.post(bench.install());
  cr_assert(bench.shell.engine().view(kId).has_value());
}

Test(shell, a_refused_event_tells_why) {
  Bench bench;
  bench.shell.post(bench.install(7));
  std::optional<Status> after;
  bench.shell.post(bench.install(6), [&](const Status& status) { after = status; });
  cr_assert(after.has_value() && !after->has_value());
  cr_assert_eq(after->error().code, Errc::stale_generation);
  cr_assert(bench.heard("EventRefused"));
}

Test(shell, a_broken_key_store_is_told_and_the_session_goes_on) {
  Bench bench;
  bench.keys.fail_puts = true;
  bench.shell.post(bench.install());
  cr_assert(bench.heard("EffectFailed"));
  cr_assert(bench.heard("GenerationSwitched"));
  cr_assert_gt(bench.shell.counters().key_failures, 0);
  cr_assert(bench.shell.engine().view(kId).has_value());
}

Test(shell, a_restart_restores_everything_and_keeps_what_is_damaged) {
  Bench before;
  before.shell.post(before.install());
  Bench after;
  after.store.records = before.store.records;
  after.store.records["asr-00000000000000aa"] = {1, 2, 3};
  after.store.records["asr-00000000000000bb"] = {1};
  after.store.corrupt["asr-00000000000000bb"] = true;
  after.store.records["other"] = {1};
  const auto findings = after.shell.restore();
  cr_assert_eq(findings.size(), 2);
  cr_assert(after.shell.engine().view(kId).has_value());
  cr_assert(after.keys.has_keys_of(kId));
  for (const std::string name : {"asr-00000000000000aa", "asr-00000000000000bb"}) {
    cr_assert(after.store.records.contains("damaged-1-" + name), "a damaged record was deleted");
    cr_assert_not(after.store.records.contains(name), "it is in the way of the next one");
  }
  cr_assert(findings[0].contains("damaged-1-asr-00000000000000aa"), "%s", findings[0].c_str());
}

Test(shell, nothing_reenters_the_engine) {
  Bench bench;
  bool inside = false;
  bool ran_inside = false;
  bench.on_report = [&](Report& report) {
    if (!std::holds_alternative<protocol::GenerationSwitched>(report)) return;
    inside = true;
    bench.shell.post(protocol::RetireAsr{kId}, [&](const Status& status) {
      ran_inside = inside;
      cr_assert(status.has_value());
    });
    inside = false;
  };
  bench.shell.post(bench.install());
  cr_assert_not(ran_inside);
  cr_assert_not(bench.shell.engine().view(kId).has_value());
  cr_assert_not(bench.keys.has_keys_of(kId));
  cr_assert_not(bench.store.records.contains(asr_record_name(kId)));
}

Test(shell, garbage_changes_only_counters) {
  Bench bench;
  std::vector<std::uint8_t> garbage(60, 0xff);
  bench.shell.receive(garbage, {});
  bench.shell.receive({}, {});
  cr_assert_eq(bench.shell.engine().counters().frames_received, 2);
  cr_assert_eq(bench.shell.engine().counters().frames_accepted, 0);
  cr_assert(bench.sent.empty());
}

Test(shell, a_deadline_makes_frames) {
  Bench bench;
  bench.shell.post(bench.install());
  bench.shell.post(protocol::RequestRekey{kId});
  for (int i = 0; i < 50 && bench.sent.empty(); ++i) {
    const auto next = bench.shell.next_deadline();
    cr_assert(next.has_value());
    bench.now = std::max(*next, bench.now);
    bench.shell.deadline_reached();
  }
  cr_assert_not(bench.sent.empty());
  cr_assert_eq(bench.shell.counters().frames_sent, bench.sent.size());
}

Test(shell, data_goes_out_at_once_and_refusals_are_the_callers) {
  Bench bench;
  bench.shell.post(bench.install());
  bench.sent.clear();
  bench.told.clear();
  const std::vector<std::uint8_t> bytes{1, 2};
  cr_assert(bench.shell.send_data({kId, protocol::kEveryone, bytes}).has_value());
  cr_assert_eq(bench.sent.size(), 2);
  cr_assert_eq(bench.shell.send_data({kId, 9, bytes}).error().code, Errc::not_found);
  cr_assert_eq(bench.shell.send_data({kId + 1, 1, bytes}).error().code, Errc::not_found);
  cr_assert(bench.told.empty(), "a local program fills no log");
  Status inside;
  bench.on_report = [&](Report&) { inside = bench.shell.send_data({kId, 1, bytes}); };
  bench.shell.post(bench.install(8));
  cr_assert_eq(inside.error().code, Errc::busy);
}

Test(shell, received_data_goes_to_its_receiver) {
  test::MemoryStore store;
  test::SeededRandom random;
  std::vector<std::uint8_t> got;
  Shell receiver(
      {store, nullptr, random, [](const Endpoint&, std::span<const std::uint8_t>) {},
       [] { return Instant{1}; },
       [&got](const protocol::DataReceived& data) { got.assign(data.payload.begin(), data.payload.end()); }},
      {.incarnation = 1, .salt = 3}, [](Report&) {});
  test::MemoryStore other_store;
  std::vector<std::uint8_t> frame;
  Shell sender({other_store, nullptr, random,
                [&frame](const Endpoint&, std::span<const std::uint8_t> bytes) {
                  frame.assign(bytes.begin(), bytes.end());
                },
                [] { return Instant{1}; }},
               {.incarnation = 1, .salt = 4}, [](Report&) {});
  const protocol::Asr asr = test::sample_asr(3, random);
  receiver.post(protocol::InstallAsr{asr.clone(), 0, true, 0});
  sender.post(protocol::InstallAsr{asr.clone(), 1, true, 0});
  const std::vector<std::uint8_t> bytes{4, 5, 6};
  cr_assert(sender.send_data({kId, 0, bytes}).has_value());
  receiver.receive(frame, *parse_endpoint("10.0.0.2:7400"));
  cr_assert(got == bytes);
}

Test(shell, who_guards_the_port_hears_what_is_held_and_who_is_genuine) {
  std::vector<std::string> heard;
  const auto news = [&heard](const std::string& name) {
    return FrameNews{
        [&heard, name](AsrId id) { heard.push_back(name + " stored " + asr_record_name(id)); },
        [&heard, name](AsrId id) { heard.push_back(name + " forgotten " + asr_record_name(id)); },
        [&heard, name](const Endpoint& from) {
          heard.push_back(name + " genuine " + format_endpoint(from));
        }};
  };
  test::MemoryStore stores[2];
  test::SeededRandom random;
  std::vector<std::vector<std::uint8_t>> sent;
  const Instant now{1'000'000'000};
  const auto shell = [&](std::size_t i) {
    return Shell{{stores[i],
                  nullptr,
                  random,
                  [&sent](const Endpoint&, std::span<const std::uint8_t> frame) {
                    sent.emplace_back(frame.begin(), frame.end());
                  },
                  [now] { return now; },
                  {},
                  news(std::to_string(i))},
                 {.incarnation = 1, .salt = static_cast<std::uint32_t>(i)},
                 {}};
  };
  Shell first = shell(0);
  Shell second = shell(1);
  for (std::uint16_t i = 0; i < 2; ++i) {
    test::SeededRandom same;
    (i == 0 ? first : second).post(protocol::InstallAsr{test::sample_asr(2, same), i, true, 0});
  }
  cr_assert(std::ranges::count(heard, "0 stored asr-1122334455667788") > 0);
  sent.clear();
  first.post(protocol::RequestRekey{kId});
  cr_assert_not(sent.empty());
  const Endpoint from = *parse_endpoint("192.0.2.1:7400");
  std::vector<std::uint8_t> forged = sent.front();
  forged.back() ^= 1;
  second.receive(forged, from);
  cr_assert_eq(std::ranges::count(heard, "1 genuine 192.0.2.1:7400"), 0);
  std::vector<std::uint8_t> frame = sent.front();
  std::vector<std::uint8_t> again = frame;
  second.receive(frame, from);
  cr_assert(std::ranges::count(heard, "1 genuine 192.0.2.1:7400") > 0);
  heard.clear();
  second.receive(again, *parse_endpoint("192.0.2.9:7400"));
  cr_assert(heard.empty(), "a repeated frame vouches for nobody");
  second.post(protocol::RetireAsr{kId});
  cr_assert(heard == std::vector<std::string>{"1 forgotten asr-1122334455667788"});
}
