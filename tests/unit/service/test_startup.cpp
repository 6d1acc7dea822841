#include "daemon/service/startup.h"

#include <criterion/criterion.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "daemon/base/log.h"
#include "keyring/sealer_factory.h"
#include "tests/support/memory_store.h"
#include "tests/support/seeded_random.h"
#include "tests/support/silent_tpm.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

Settings software(const test::TemporaryFolder& folder) {
  cr_assert(log::open({.target = log::Options::Target::text, .file = folder.file("log")}).has_value());
  Settings settings;
  settings.state_folder = folder.file("state");
  settings.sealing = SealingChoice::software;
  settings.nv_index = keyring::kDefaultNvIndex;
  return settings;
}

}  // namespace

Test(startup, each_start_has_a_higher_incarnation_and_another_salt) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  SystemRandom random;
  OpenedState first = open_state(settings, random);
  cr_assert(first.store != nullptr, "%s", first.failure ? first.failure->message().c_str() : "");
  cr_assert_gt(first.engine.incarnation, 0);
  cr_assert_not(first.hardware_protected);
  cr_assert_eq(first.findings.size(), 1, "sealing in software is said");
  cr_assert(first.store->write("record", std::vector<std::uint8_t>{1}).has_value());
  const auto options = first.engine;
  first.store.reset();
  const OpenedState second = open_state(settings, random);
  cr_assert(second.store != nullptr);
  cr_assert_gt(second.engine.incarnation, options.incarnation);
  cr_assert_neq(second.engine.salt, options.salt);
  cr_assert(second.store->read("record").has_value());
}

Test(startup, two_daemons_do_not_share_a_folder) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  SystemRandom random;
  const OpenedState first = open_state(settings, random);
  const OpenedState second = open_state(settings, random);
  cr_assert(first.store != nullptr);
  cr_assert(second.store == nullptr);
  cr_assert_eq(second.failure->code, Errc::busy);
}

Test(startup, without_a_secure_element_software_can_be_forbidden) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  settings.sealing = SealingChoice::automatic;
  settings.allow_software = false;
  settings.tcti = "device:/nonexistent/tpm";
  SystemRandom random;
  const OpenedState state = open_state(settings, random);
  cr_assert(state.store == nullptr);
  cr_assert(state.failure.has_value());
  cr_assert_eq(state.findings.size(), 1);
}

/// It may be somebody else's, whose key they know.
Test(startup, software_where_a_tpm_should_be_is_said) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  SystemRandom random;
  cr_assert_not(open_state(settings, random).findings.at(0).contains("There should be a TPM"));
  settings.sealing = SealingChoice::automatic;
  settings.tcti = "swtpm:path=/nonexistent/tpm";
  const OpenedState state = open_state(settings, random);
  cr_assert(state.store != nullptr);
  cr_assert(state.findings.at(0).contains("There should be a TPM"), "%s", state.findings.at(0).c_str());
}

Test(startup, a_folder_that_cannot_be_made_is_told_and_nothing_is_deleted) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  settings.state_folder = folder.write("file", "content");
  SystemRandom random;
  const OpenedState state = open_state(settings, random);
  cr_assert(state.store == nullptr);
  cr_assert_eq(std::filesystem::file_size(folder.file("file")), 7);
}

Test(startup, a_start_counter_that_went_back_is_refused) {
  test::MemoryStore store;
  cr_assert_eq(note_start(store, 5)->missed, 0);
  cr_assert_eq(note_start(store, 6)->missed, 0);
  cr_assert_eq(note_start(store, 9)->missed, 2, "starts that this state does not know of");
  cr_assert_eq(note_start(store, 9).error().code, Errc::state_corrupt);
  cr_assert_eq(note_start(store, 3).error().code, Errc::state_corrupt);
  const std::string why = note_start(store, 3).error().message();
  cr_assert(why.contains("from 9 to 3") && why.contains("provision again"), "%s", why.c_str());
}

Test(startup, a_damaged_record_of_the_last_start_is_kept_and_told) {
  test::MemoryStore store;
  cr_assert(note_start(store, 5).has_value());
  store.corrupt["start"] = true;
  const auto note = note_start(store, 6);
  cr_assert(note && note->damaged.contains("damaged-1-start"), "%s",
            note ? note->damaged.c_str() : "refused");
  cr_assert(store.records.contains("damaged-1-start"));
  cr_assert_eq(note_start(store, 7)->missed, 0);
  store.records["start"] = {1, 2, 3};
  cr_assert(note_start(store, 8)->damaged.contains("damaged-1-start"), "one of another length too");
}

/// It is waited for on a thread; the daemon comes up without it.
Test(startup, a_slow_secure_element_does_not_hold_up_a_start) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  const test::SilentTpm tpm(folder);
  settings.sealing = SealingChoice::tpm;
  settings.tcti = tpm.tcti();
  SystemRandom random;
  const OpenedState state = open_state(settings, random, std::nullopt, std::chrono::milliseconds(20));
  cr_assert(state.store == nullptr && state.later.opening != nullptr);
  cr_assert_eq(state.failure->code, Errc::sealed_unavailable);
  cr_assert(state.failure->detail.starts_with("the TPM is slow"), "%s", state.failure->detail.c_str());
}

Test(startup, what_was_handed_over_needs_no_secure_element_and_misses_no_start) {
  const test::TemporaryFolder folder;
  Settings settings = software(folder);
  SystemRandom random;
  cr_assert(open_state(settings, random).store != nullptr);
  cr_assert(hand_over(open_for_next_start(settings, {})).has_value());
  std::filesystem::rename(folder.file("state/software.key"), folder.file("away"));
  const OpenedState next = open_state(settings, random, std::nullopt, Duration{0});
  cr_assert(next.store != nullptr, "%s", next.failure ? next.failure->message().c_str() : "");
  cr_assert_eq(next.findings.size(), 1U, "no start is missing: sealing in software is all that is said");
  cr_assert_eq(next.engine.incarnation, 2U);
}

Test(startup, why_it_did_not_open_is_handed_over_too) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  SystemRandom random;
  cr_assert(hand_over(fail(Errc::sealed_unavailable, "PCR 7 differs")).has_value());
  const OpenedState state = open_state(settings, random);
  cr_assert(state.store == nullptr && state.later.opening == nullptr);
  cr_assert_eq(state.failure->detail, "PCR 7 differs");
}

Test(startup, hardware_is_collected_with_it) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  folder.write("sys/class/dmi/id/product_uuid", "4c4c4544-0000-1000-8000-000000000001\n");
  keyring::HardwareOptions hardware;
  hardware.sysfs_root = folder.file("sys");
  hardware.sources = {keyring::HardwareSource::dmi_product_uuid};
  SystemRandom random;
  OpenedState state = open_state(settings, random, hardware);
  cr_assert(state.hardware.has_value());
  cr_assert_eq(state.hardware->at(0).first, "dmi-product-uuid");
  state.store.reset();
  hardware.sysfs_root = folder.file("none");
  state = open_state(settings, random, hardware);
  cr_assert(state.store != nullptr && !state.hardware, "that is for who needs it to say");
}

/// Nothing in it is touched, and no start is counted: the program that made it goes on as if nothing had
/// been.
Test(startup, a_state_of_a_later_program_is_left_as_it_is) {
  const test::TemporaryFolder folder;
  const Settings settings = software(folder);
  SystemRandom random;
  OpenedState first = open_state(settings, random);
  cr_assert(first.store != nullptr);
  cr_assert(first.store->write("format", std::vector<std::uint8_t>{0, 0, 0, 99}).has_value());
  const std::uint32_t incarnation = first.engine.incarnation;
  first.store.reset();
  const auto contents = [&] {
    std::map<std::string, std::string> out;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(settings.state_folder)) {
      std::ifstream in(entry.path(), std::ios::binary);
      if (entry.is_regular_file())
        out[entry.path().string()] = {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    }
    return out;
  };
  const auto before = contents();
  const OpenedState later = open_state(settings, random);
  cr_assert(later.store == nullptr);
  cr_assert_eq(later.failure->code, Errc::newer_version);
  cr_assert(later.failure->message().contains("upgrade"), "%s", later.failure->message().c_str());
  cr_assert(contents() == before);
  const auto key = keyring::make_sealer(sealer_options(settings));
  cr_assert_eq(*(*key)->next_incarnation(), incarnation + 1);
}
