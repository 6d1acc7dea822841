#include "daemon/watch/tpm_state.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include "daemon/base/log.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

using policy::DetectionClass;

std::uint64_t number(const Facts& facts, const std::string& name) {
  const auto found = facts.find(name);
  std::uint64_t out = 0;
  if (found != facts.end())
    (void)std::from_chars(found->second.data(), found->second.data() + found->second.size(), out);
  return out;
}

std::uint64_t number(const std::string& text) {
  return number({{"", text}}, "");
}

std::string yes_no(bool value) {
  return value ? "yes" : "no";
}

/// A reset while the same system goes on. A machine that hibernated has had its TPM off: less than critical.
void tell_reset(Change change, bool slept, Instant now, const Tell& tell) {
  change.back = false;
  policy::Detection detection = seen(DetectionClass::tpm_interposed, now, change);
  detection.evidence.emplace("slept_meanwhile", yes_no(slept));
  if (slept) detection.at_most = policy::Grade::evidence;
  tell(detection);
}

void judge_change(Change change, bool slept, Instant now, const Tell& tell) {
  const bool grew = number(change.after) > number(change.before);
  if (change.name == "resets" || change.name == "null-name") {
    if (change.name == "null-name" || grew) return tell_reset(std::move(change), slept, now, tell);
    change.name = "TPM cleared: resets";
    change.back = false;
    return tell(seen(DetectionClass::tpm_access, now, change));
  }
  if (change.name == "session-failures") return tell_reset(std::move(change), false, now, tell);
  if (change.name == "lockout-counter") {
    change.back = !grew;  // it falls by itself, with time
    return tell(seen(DetectionClass::tpm_access, now, change));
  }
  if (change.name == "in-lockout" || change.name == "owner-authorisation" ||
      change.name == "lockout-authorisation") {
    tell(seen(DetectionClass::tpm_access, now, change));
  }
}

/// Before the first look the storage key was unsealed: an interposer has had its chance.
void tell_failures_of_the_start(const Facts& facts, Instant now, const Tell& tell) {
  const std::string& failures = facts.at("session-failures");
  if (number(failures) != 0) judge_change({"session-failures", "0", failures}, false, now, tell);
}

/// The last run of this daemon, of the same boot. Nobody was there to see how it came about: evidence.
void compare_with_last_run(const WatchMemory& memory, const Facts& facts, Instant now, const Tell& tell) {
  const std::string boot = facts.at("boot");
  if (boot.empty() || memory.value("tpm.boot") != boot) return;
  const std::string before = memory.value("tpm.resets");
  const std::string after = facts.at("resets");
  if (before.empty() || before == after) return;
  const bool slept = number(facts, "slept") > number(memory.value("tpm.slept"));
  judge_change({"resets", before, after}, slept, now, [&tell](policy::Detection detection) {
    detection.at_most = std::min(detection.at_most, policy::Grade::evidence);
    tell(detection);
  });
}

}  // namespace

BootState this_boot() {
  BootState out;
  out.boot_id = read_system_value("/proc/sys/kernel/random/boot_id").value_or("");
  out.null_name = read_system_value("/sys/class/tpm/tpm0/null_name").value_or("");
  timespec awake{};
  if (::clock_gettime(CLOCK_MONOTONIC, &awake) == 0)
    out.slept_s = (boottime_now().ns / 1'000'000'000) - awake.tv_sec;
  return out;
}

Facts tpm_facts(const keyring::TpmClock& clock, std::uint64_t session_failures, const BootState& boot) {
  return {{"resets", std::to_string(clock.reset_count)},
          {"restarts", std::to_string(clock.restart_count)},
          {"lockout-counter", std::to_string(clock.lockout_counter)},
          {"in-lockout", yes_no(clock.in_lockout)},
          {"owner-authorisation", yes_no(clock.owner_auth_set)},
          {"lockout-authorisation", yes_no(clock.lockout_auth_set)},
          {"session-failures", std::to_string(session_failures)},
          {"null-name", boot.null_name},
          {"boot", boot.boot_id},
          {"slept", std::to_string(boot.slept_s)}};
}

Judge judge_tpm(WatchMemory& memory) {
  return [&memory, first = true](const Differences& differences, Instant now, const Tell& tell) mutable {
    if (first) {
      tell_failures_of_the_start(differences.facts, now, tell);
      compare_with_last_run(memory, differences.facts, now, tell);
    }
    first = false;
    // A second either way is rounding.
    bool slept = false;
    for (const Change& change : differences.changes)
      slept = slept || (change.name == "slept" && number(change.after) > number(change.before) + 1);
    for (const Change& change : differences.changes) judge_change(change, slept, now, tell);
    for (const char* name : {"boot", "resets"})
      memory.set(std::string("tpm.") + name, differences.facts.at(name));
    // Changes with every second slept: worth a write only with something else.
    if (slept || memory.value("tpm.slept").empty()) memory.set("tpm.slept", differences.facts.at("slept"));
    if (const Status saved = memory.save(); !saved) log::warning(saved.error().message());
  };
}

}  // namespace akm::watch
