#include "bpf/loader/decode.h"

#include <criterion/criterion.h>
#include <linux/keyctl.h>

#include <cstring>
#include <string_view>

#include "bpf/include/akm_events.h"

using namespace akm::bpf;

namespace {

akm_event good() {
  akm_event event{};
  event.version = AKM_EVENT_VERSION;
  event.watch = AKM_WATCH_KEY;
  event.operation = AKM_OP_KEYCTL;
  event.outcome = AKM_OUTCOME_SUCCEEDED;
  event.tier = AKM_TIER_TRACEPOINT;
  event.argument = KEYCTL_READ;
  event.boottime_ns = 42;
  event.serial = 7;
  event.uid = 1000;
  event.tgid = 5;
  event.pid = 6;
  std::string_view("keyctl").copy(event.comm, sizeof(event.comm));
  return event;
}

auto decode(const akm_event& event) {
  return decode_event({reinterpret_cast<const std::uint8_t*>(&event), sizeof(event)});
}

}  // namespace

Test(decode, fields_of_a_good_record) {
  const auto decoded = decode(good());
  cr_assert(decoded.has_value());
  const auto* record = std::get_if<ProbeRecord>(&*decoded);
  cr_assert_not_null(record);
  cr_assert_eq(record->watch, Watch::key);
  cr_assert_eq(record->operation, "keyctl-read");
  cr_assert_eq(record->outcome, Outcome::succeeded);
  cr_assert_eq(record->serial, 7);
  cr_assert_eq(record->boottime_ns, 42);
  cr_assert_eq(*record->uid, 1000u);
  cr_assert_eq(record->tgid, 5u);
  cr_assert_eq(record->pid, 6u);
  cr_assert_eq(record->comm, "keyctl");
  cr_assert_eq(record->source, "tracepoint");
}

Test(decode, every_size_but_the_right_one_is_refused) {
  const akm_event event = good();
  std::uint8_t bytes[sizeof(event) + 8] = {};
  std::memcpy(bytes, &event, sizeof(event));
  for (std::size_t size = 0; size <= sizeof(bytes); ++size) {
    cr_assert_eq(decode_event({bytes, size}).has_value(), size == sizeof(event));
  }
}

Test(decode, unknown_enums_and_impossible_fields_are_refused) {
  akm_event event = good();
  event.version = AKM_EVENT_VERSION + 1;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.watch = 0;
  cr_assert_not(decode(event).has_value());
  event.watch = 200;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.operation = 0;
  cr_assert_not(decode(event).has_value());
  event.operation = AKM_OP_MAX + 1;
  cr_assert_not(decode(event).has_value());
  event.operation = AKM_OP_SELF_PROBE;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.outcome = 0;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.flags = 0x80;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.tier = 0;
  cr_assert_not(decode(event).has_value());
  event.tier = AKM_TIER_MAX + 1;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.digest_bytes = 20;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.executable_bytes = AKM_EXECUTABLE_BYTES + 1;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.started_boottime_ns = UINT64_MAX;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.path_bytes = AKM_PATH_BYTES;
  cr_assert_not(decode(event).has_value());
  event = good();
  event.boottime_ns = UINT64_MAX;
  cr_assert_not(decode(event).has_value());
}

Test(decode, every_operation_of_the_programs_has_a_name) {
  for (std::uint8_t operation = AKM_OP_KEYCTL; operation <= AKM_OP_MAX; ++operation) {
    akm_event event = good();
    event.operation = operation;
    const auto decoded = decode(event);
    cr_assert(decoded.has_value());
    cr_assert_not(std::get<ProbeRecord>(*decoded).operation.empty());
  }
}

Test(decode, a_memory_call_for_no_bytes_did_nothing) {
  for (const auto operation : {AKM_OP_VM_READ, AKM_OP_VM_WRITE}) {
    akm_event event = good();
    event.watch = AKM_WATCH_PROCESS;
    event.operation = static_cast<std::uint8_t>(operation);
    event.outcome = AKM_OUTCOME_SUCCEEDED;
    event.result = 0;
    auto decoded = decode_event({reinterpret_cast<const std::uint8_t*>(&event), sizeof event});
    cr_assert(decoded && std::get<ProbeRecord>(*decoded).outcome == Outcome::refused);
    event.result = 1;
    decoded = decode_event({reinterpret_cast<const std::uint8_t*>(&event), sizeof event});
    cr_assert(decoded && std::get<ProbeRecord>(*decoded).outcome == Outcome::succeeded);
  }
}

Test(decode, self_probe_carries_its_beat) {
  akm_event event = good();
  event.watch = AKM_WATCH_SELF;
  event.operation = AKM_OP_SELF_PROBE;
  event.argument = 99;
  const auto decoded = decode(event);
  cr_assert(decoded.has_value());
  cr_assert_eq(std::get<SelfProbe>(*decoded).beat, 99u);
  event.operation = AKM_OP_KEYCTL;
  cr_assert_not(decode(event).has_value());
}

Test(decode, an_executable_is_a_path_from_the_root_or_says_that_it_is_cut) {
  akm_event event = good();
  std::memcpy(event.executable, "sh\0bin\0usr", 11);
  event.executable_bytes = 11;
  cr_assert_eq(std::get<ProbeRecord>(*decode(event)).executable, "/usr/bin/sh");
  event.flags |= AKM_FLAG_EXECUTABLE_CUT;
  cr_assert_eq(std::get<ProbeRecord>(*decode(event)).executable, ".../usr/bin/sh");
  event.executable_bytes = 0;
  cr_assert_eq(std::get<ProbeRecord>(*decode(event)).executable, "");
}

Test(decode, who_did_it_is_told_in_full) {
  akm_event event = good();
  event.parent_tgid = 3;
  std::memcpy(event.parent_comm, "bash", 4);
  event.digest_bytes = AKM_DIGEST_BYTES;
  event.digest[0] = 0xab;
  event.started_boottime_ns = 17;
  event.flags = AKM_FLAG_UNWATCHED | AKM_FLAG_SELF_TEST;
  const auto decoded = decode(event);
  const auto& record = std::get<ProbeRecord>(*decoded);
  const auto subject = record.subject();
  cr_assert_eq(subject.at("parent"), "3");
  cr_assert_eq(subject.at("parent_comm"), "bash");
  cr_assert_eq(subject.at("digest"), "ab" + std::string(62, '0'));
  cr_assert_eq(subject.at("started"), "17");
  cr_assert(record.unwatched && record.self_test);
  cr_assert_eq(record.evidence().at("unwatched"), "yes");
}

Test(decode, every_watch_and_tier_of_the_programs_is_known) {
  for (std::uint8_t watch = AKM_WATCH_KEY; watch < AKM_WATCHES; ++watch) {
    for (std::uint8_t tier = 1; tier <= AKM_TIER_MAX; ++tier) {
      akm_event event = good();
      event.watch = watch;
      event.tier = tier;
      const auto decoded = decode(event);
      cr_assert(decoded.has_value());
      cr_assert_not(std::get<ProbeRecord>(*decoded).source.empty());
    }
  }
}

Test(decode, text_without_an_end_stops_at_its_field) {
  akm_event event = good();
  std::memset(event.comm, 'c', sizeof(event.comm));
  std::memset(event.path, 'p', sizeof(event.path));
  event.path_bytes = AKM_PATH_BYTES - 1;
  const auto decoded = decode(event);
  cr_assert_eq(std::get<ProbeRecord>(*decoded).comm.size(), sizeof(event.comm));
  cr_assert_eq(std::get<ProbeRecord>(*decoded).path.size(), AKM_PATH_BYTES - 1u);
}

Test(decode, of_our_proc_files_only_the_memory_counts) {
  akm_event event = good();
  event.watch = AKM_WATCH_PROCESS;
  event.operation = AKM_OP_IO_URING;
  event.argument = 18;
  const auto with_path = [&](const char* path, std::uint32_t flags) {
    const std::string_view text(path);
    std::memset(event.path, 0, sizeof(event.path));
    event.path_bytes = static_cast<std::uint32_t>(text.copy(event.path, sizeof(event.path) - 1));
    event.flags = flags;
    return decode(event);
  };
  cr_assert(std::holds_alternative<ProbeRecord>(*with_path("/proc/7/task/8/mem", AKM_FLAG_PATH)));
  cr_assert(std::holds_alternative<Nothing>(*with_path("/proc/7/task/8/status", AKM_FLAG_PATH)));
  cr_assert(std::holds_alternative<ProbeRecord>(
      *with_path("/proc/7/task/////", AKM_FLAG_PATH | AKM_FLAG_TRUNCATED)));
}

Test(decode, random_bytes_never_give_unprintable_text) {
  // A fixed sequence (Knuth's MMIX generator): the same records in every run.
  std::uint64_t state = 1;
  const auto next = [&state] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state >> 33);
  };
  for (int round = 0; round < 20000; ++round) {
    akm_event event{};
    auto* bytes = reinterpret_cast<std::uint8_t*>(&event);
    for (std::size_t i = 0; i < sizeof(event); ++i) bytes[i] = static_cast<std::uint8_t>(next());
    event.version = AKM_EVENT_VERSION;
    event.watch = static_cast<__u8>(1 + next() % (AKM_WATCHES - 1));
    event.tier = static_cast<__u8>(1 + next() % AKM_TIER_MAX);
    event.started_boottime_ns >>= 1;
    event.executable_bytes %= AKM_EXECUTABLE_BYTES + 1;
    event.digest_bytes = next() % 2 == 0 ? 0 : AKM_DIGEST_BYTES;
    event.operation = static_cast<__u8>(1 + next() % AKM_OP_MAX);
    event.outcome = static_cast<__u8>(1 + next() % 3);
    event.flags &= 31;
    event.path_bytes %= AKM_PATH_BYTES;
    event.boottime_ns >>= 1;
    const auto decoded = decode(event);
    if (!decoded || !std::holds_alternative<ProbeRecord>(*decoded)) continue;
    const auto& record = std::get<ProbeRecord>(*decoded);
    for (const char c : record.comm + record.path + record.operation + record.executable +
                            record.parent_comm + record.digest) {
      cr_assert(c >= ' ' && c <= '~');
    }
  }
}
