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
    event.watch = static_cast<__u8>(1 + next() % 5);
    event.operation = static_cast<__u8>(1 + next() % AKM_OP_MAX);
    event.outcome = static_cast<__u8>(1 + next() % 3);
    event.flags &= 3;
    event.path_bytes %= AKM_PATH_BYTES;
    event.boottime_ns >>= 1;
    const auto decoded = decode(event);
    if (!decoded || !std::holds_alternative<ProbeRecord>(*decoded)) continue;
    const auto& record = std::get<ProbeRecord>(*decoded);
    for (const char c : record.comm + record.path + record.operation) cr_assert(c >= ' ' && c <= '~');
  }
}
