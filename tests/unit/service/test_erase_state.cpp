#include "daemon/service/erase_state.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "daemon/base/random.h"
#include "daemon/service/startup.h"
#include "tests/support/silent_tpm.h"
#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::service;

namespace {

struct Fixture {
  akm::test::TemporaryFolder folder;
  Settings settings;
  SystemRandom random;
  OpenedState state;

  Fixture() {
    settings.state_folder = folder.file("state");
    settings.sealing = SealingChoice::software;
    settings.nv_index = 0x01800A4B;
    state = open_state(settings, random);
    (void)state.store->write("secret", std::vector<std::uint8_t>{1, 2, 3});
    (void)state.store->write("used-bundles", std::vector<std::uint8_t>{4, 5});
  }
  [[nodiscard]] bool is_there(const char* name) const {
    return std::filesystem::exists(settings.state_folder + "/" + name);
  }
};

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

}  // namespace

Test(service_erase_state, another_state_begins_with_what_was_taken_along) {
  Fixture f;
  const auto gone = erase_state(f.settings, *f.state.store, false);
  cr_assert(gone.first.has_value() && gone.failed.empty());
  cr_assert(has(gone.gone, "software-key") && has(gone.gone, "sealed-storage-key"));
  cr_assert(!f.is_there("kek.sealed") && !f.is_there("software.key"));
  f.state = {};
  f.state = open_state(f.settings, f.random);
  cr_assert(!f.state.failure);
  cr_assert_eq(f.state.store->read("secret").error().code, Errc::not_found);
  cr_assert_eq(f.state.store->read("used-bundles")->size(), 2U);
  cr_assert(!f.is_there("along-used-bundles"), "it is not left in the clear");
}

/// A program that was killed while it sealed the key anew leaves a copy that opens.
Test(service_erase_state, temporary_files_beside_the_records_go_too) {
  Fixture f;
  std::ofstream(f.settings.state_folder + "/.kek.sealed.0123456789abcdef.tmp") << "a copy";
  cr_assert(erase_state(f.settings, *f.state.store, false).first.has_value());
  cr_assert_not(f.is_there(".kek.sealed.0123456789abcdef.tmp"));
  cr_assert_eq(f.state.store->write("late", std::vector<std::uint8_t>{1}).error().code, Errc::wrong_state,
               "nothing comes after it under a key that is gone");
}

Test(service_erase_state, a_secure_element_that_hangs_is_named_and_all_else_is_gone) {
  Fixture f;
  const akm::test::SilentTpm tpm(f.folder);
  f.settings.sealing = SealingChoice::tpm;
  f.settings.tcti = tpm.tcti();
  const Erased erased = erase_state(f.settings, *f.state.store, false, std::chrono::milliseconds(50));
  cr_assert_eq(erased.first.error().code, Errc::timed_out, "%s", erased.first.error().message().c_str());
  cr_assert(erased.failed == std::vector<std::string>{"secure-element"});
  cr_assert(has(erased.gone, "sealed-storage-key") && !f.is_there("kek.sealed"));
}

/// Whoever has the disk and not the key could else have a record of theirs sealed.
Test(service_erase_state, a_file_in_the_clear_replaces_no_record_and_adds_no_other) {
  Fixture f;
  for (const char* name : {"/along-secret", "/along-root-secret", "/along-used-bundles"})
    std::ofstream(f.settings.state_folder + name) << "planted";
  f.state = {};
  f.state = open_state(f.settings, f.random);
  cr_assert(!f.state.failure);
  cr_assert_eq(f.state.store->read("secret")->size(), 3U);
  cr_assert_eq(f.state.store->read("root-secret").error().code, Errc::not_found);
  cr_assert_eq(f.state.store->read("used-bundles")->size(), 2U);
}

Test(service_erase_state, a_golden_image_has_no_state_until_another_boot) {
  Fixture f;
  cr_assert(erase_state(f.settings, *f.state.store, true).first.has_value());
  f.state = {};
  f.state = open_state(f.settings, f.random);
  cr_assert_eq(f.state.failure->code, Errc::wrong_state);
  cr_assert(!f.is_there("kek.sealed"), "nothing is made that would be in the image");
  std::ofstream(f.settings.state_folder + "/generalized") << "00000000000000000000000000000000\n";
  f.state = open_state(f.settings, f.random);
  cr_assert(!f.state.failure);
  cr_assert(!f.is_there("generalized"));
  cr_assert_eq(f.state.store->read("used-bundles").error().code, Errc::not_found);
}
