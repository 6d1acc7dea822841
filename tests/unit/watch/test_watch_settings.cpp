#include "daemon/watch/watch_settings.h"

#include <criterion/criterion.h>

#include "tests/support/temporary_folder.h"

using namespace akm;
using namespace akm::watch;

namespace {

Result<WatchSettings> read(const std::string& text) {
  const test::TemporaryFolder folder;
  service::Schema schema;
  add_watch_settings(schema);
  auto config = service::Config::load(folder.write("a.toml", text), schema);
  if (!config) return std::unexpected(config.error());
  return watch_settings(*config);
}

}  // namespace

Test(watch_settings, all_is_looked_for_by_default) {
  const auto settings = read("");
  cr_assert(settings.has_value());
  cr_assert_eq(settings->interval_s, 60);
  for (const auto one : policy::kDetectionClasses) cr_assert(settings->looks_for(one));
}

Test(watch_settings, single_ones_or_all_can_be_switched_off) {
  const auto some = read("[watch]\noff = [\"packet-capture\"]\n");
  cr_assert(some.has_value());
  cr_assert_not(some->looks_for(policy::DetectionClass::packet_capture));
  cr_assert(some->looks_for(policy::DetectionClass::usb_insertion));
  const auto none = read("[watch]\nenabled = false\n");
  cr_assert_not(none->looks_for(policy::DetectionClass::usb_insertion));
}

Test(watch_settings, what_makes_no_sense_is_refused) {
  for (const char* text : {"off = [\"nothing\"]", "tamper_inputs = [\"relative\"]", "interval_s = 1",
                           "library_folders = [\"lib\"]"}) {
    const auto settings = read(std::string("[watch]\n") + text + "\n");
    cr_assert_not(settings.has_value(), "%s", text);
    cr_assert_eq(settings.error().code, Errc::config_invalid);
  }
}
