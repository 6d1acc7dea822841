// What needs no privilege; the rest is tests/bpf.
#include "bpf/loader/probe_set.h"

#include <criterion/criterion.h>

#include <set>

using namespace akm;
using namespace akm::bpf;

Test(probe_set, wrong_options_are_refused_by_name) {
  ProbeOptions options;
  for (const std::uint32_t bytes : {0u, 1u, 2048u, 5000u, 12288u}) {
    options.ring_bytes = bytes;
    const auto probes = ProbeSet::open(options);
    cr_assert_not(probes.has_value());
    cr_assert_eq(probes.error().code, Errc::invalid_argument);
  }
  options = {};
  for (const std::string& path : {std::string("relative"), std::string(), "/" + std::string(190, 'a'),
                                  std::string("/nonexistent-akm"), std::string("/proc/self/status")}) {
    options.config_folders = {path};
    const auto probes = ProbeSet::open(options);
    cr_assert_not(probes.has_value());
    cr_assert_eq(probes.error().code, Errc::invalid_argument);
  }
  options.config_folders.assign(17, "/tmp");
  cr_assert_eq(ProbeSet::open(options).error().code, Errc::invalid_argument);
}

Test(probe_set, findings_have_distinct_names) {
  std::set<std::string_view> names;
  for (const auto kind :
       {SensorFinding::Kind::records_lost, SensorFinding::Kind::probe_gone, SensorFinding::Kind::silent,
        SensorFinding::Kind::folder_replaced, SensorFinding::Kind::unwatched}) {
    names.insert(sensor_finding_name(kind));
  }
  cr_assert_eq(names.size(), 5u);
}
