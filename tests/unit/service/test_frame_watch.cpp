#include "daemon/service/frame_watch.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::service;
using protocol::Refusal;

namespace {

constexpr Instant kStart{0};

Instant after(int windows) {
  return kStart + windows * FrameWatch::kWindow;
}

protocol::Counters refused(Refusal why, std::uint64_t count) {
  protocol::Counters out;
  out.refused[static_cast<std::size_t>(why)] = count;
  return out;
}

bpf::GateScan scan(const char* source, unsigned ports, unsigned asrs, std::uint64_t tries) {
  return {*parse_endpoint(source), ports, asrs, tries};
}

}  // namespace

Test(frame_watch, forged_frames_are_told_above_a_rate_and_once_a_window) {
  FrameWatch watch(kStart);
  cr_assert(watch.end_window(after(1), refused(Refusal::not_authentic, 99), {}, {}).empty());
  const auto told =
      watch.end_window(after(2), refused(Refusal::not_authentic, 199), {{"gate_dropped_form", 5}}, {});
  cr_assert_eq(told.size(), 1u);
  cr_assert_eq(told[0].detection, policy::DetectionClass::forged_frames);
  cr_assert_eq(told[0].evidence.at("frames"), "105");
  cr_assert_eq(told[0].evidence.at("not-authentic"), "100");
  cr_assert_eq(told[0].evidence.at("gate_dropped_form"), "5");
  cr_assert(watch.end_window(after(3), refused(Refusal::not_authentic, 199), {{"gate_dropped_form", 5}}, {})
                .empty(),
            "nothing new");
  cr_assert_eq(watch.forged(), 204u);
  cr_assert_eq(watch.ends().ns, after(4).ns);
}

Test(frame_watch, who_is_behind_forges_nothing) {
  FrameWatch watch(kStart);
  for (const Refusal why : {Refusal::unknown_epoch, Refusal::unknown_generation, Refusal::replayed,
                            Refusal::stale_incarnation, Refusal::not_expected}) {
    cr_assert(FrameWatch(kStart).end_window(after(1), refused(why, 100000), {}, {}).empty());
  }
  cr_assert(watch.end_window(after(1), refused(Refusal::unknown_epoch, 400), {{"gate_dropped_late", 600}}, {})
                .empty());
  cr_assert_eq(watch.stragglers(), 1000u);
  cr_assert_eq(watch.forged(), 0u);
}

Test(frame_watch, a_gate_that_begins_anew_counts_from_zero) {
  FrameWatch watch(kStart);
  (void)watch.end_window(after(1), {}, {{"gate_dropped_short", 1000}}, {});
  cr_assert(watch.end_window(after(2), {}, {{"gate_dropped_short", 10}}, {}).empty());
}

Test(frame_watch, one_scan_a_window_names_who_tried_most) {
  FrameWatch watch(kStart);
  const auto told = watch.end_window(
      after(1), {}, {},
      {scan("192.0.2.7:0", 15, 7, 100000), scan("192.0.2.8:0", 16, 0, 20), scan("[2001:db8::]:0", 0, 8, 30)});
  cr_assert_eq(told.size(), 1u);
  cr_assert_eq(told[0].detection, policy::DetectionClass::network_scan);
  cr_assert_eq(told[0].subject.at("source"), "[2001:db8::]");
  cr_assert_eq(told[0].evidence.at("asrs_at_least"), "8");
  cr_assert_eq(told[0].evidence.at("tries"), "30");
  cr_assert_eq(told[0].evidence.at("sources"), "2");
}

Test(frame_watch, few_ports_are_no_scan) {
  FrameWatch watch(kStart);
  cr_assert(watch.end_window(after(1), {}, {}, {scan("192.0.2.7:0", 15, 7, 1000)}).empty());
}
