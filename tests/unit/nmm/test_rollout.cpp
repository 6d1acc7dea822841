#include "daemon/nmm/rollout.h"

#include <criterion/criterion.h>

#include <algorithm>
#include <set>

using namespace akm;
using namespace akm::nmm;
using What = RolloutCommand::What;

namespace {

constexpr Instant kStart{5'000'000'000};
constexpr Duration kDeadline = std::chrono::seconds(30);

RolloutPlan plan(std::size_t members, bool immediate = false) {
  RolloutPlan out;
  out.asr_id = 1;
  out.generation = 3;
  out.immediate = immediate;
  out.reason = immediate ? Reason::breach : Reason::member_added;
  for (std::size_t i = 1; i <= members; ++i) out.members.push_back(i);
  out.install_deadline = kDeadline;
  out.request_deadline = kDeadline;
  return out;
}

std::set<protocol::NodeId> nodes_of(const std::vector<RolloutCommand>& commands, What what) {
  std::set<protocol::NodeId> out;
  for (const RolloutCommand& command : commands) {
    if (command.what == what) out.insert(command.node_id);
  }
  return out;
}

bool reported(const std::vector<RolloutReport>& reports, RolloutReport::What what) {
  return std::ranges::any_of(reports, [what](const RolloutReport& r) { return r.what == what; });
}

}  // namespace

Test(rollout, installs_all_waits_then_switches_all) {
  Rollout rollout(plan(3), kStart);
  auto commands = rollout.take_commands(kStart);
  cr_assert_eq(nodes_of(commands, What::install).size(), 3U);
  cr_assert_not(commands[0].immediate);
  rollout.installed(1, kStart);
  rollout.installed(2, kStart);
  cr_assert(rollout.take_commands(kStart).empty(), "no switch before the last has stored");
  cr_assert(rollout.phase() == Rollout::Phase::installing);
  rollout.installed(3, kStart);
  cr_assert(reported(rollout.take_reports(), RolloutReport::What::switching));
  cr_assert_eq(nodes_of(rollout.take_commands(kStart), What::switch_generation).size(), 3U);
  for (protocol::NodeId n = 1; n <= 3; ++n) rollout.switched(n, kStart);
  const auto reports = rollout.take_reports();
  cr_assert_eq(reports.size(), 2U);
  cr_assert(reports[0].what == RolloutReport::What::settled && reports[0].straggler_count == 0);
  cr_assert(reports[1].what == RolloutReport::What::completed);
  cr_assert(rollout.phase() == Rollout::Phase::completed);
  cr_assert_not(rollout.next_deadline().has_value());
}

Test(rollout, who_has_no_earlier_generation_comes_last) {
  RolloutPlan adding = plan(3);
  adding.newcomers = {2};
  Rollout rollout(adding, kStart);
  cr_assert(nodes_of(rollout.take_commands(kStart), What::install) == std::set<protocol::NodeId>({1, 3}));
  rollout.heard(2, 0, kStart);
  rollout.installed(1, kStart);
  cr_assert(rollout.take_commands(kStart).empty(), "its first frame would switch 1, and 3 has nothing yet");
  rollout.installed(3, kStart);
  cr_assert(nodes_of(rollout.take_commands(kStart), What::install) == std::set<protocol::NodeId>({2}));
  cr_assert(rollout.phase() == Rollout::Phase::installing);
  rollout.installed(2, kStart);
  cr_assert(rollout.phase() == Rollout::Phase::switching);
}

Test(rollout, a_newcomer_waits_no_longer_than_the_deadline_and_not_for_newcomers) {
  RolloutPlan adding = plan(3);
  adding.newcomers = {2};
  Rollout late(adding, kStart);
  (void)late.take_commands(kStart);
  late.installed(1, kStart);
  late.deadline_reached(kStart + kDeadline);
  const auto commands = late.take_commands(kStart + kDeadline);
  cr_assert(nodes_of(commands, What::install).contains(2));
  adding.newcomers = {1, 2, 3};
  Rollout created(adding, kStart);
  cr_assert_eq(nodes_of(created.take_commands(kStart), What::install).size(), 3U);
  adding.immediate = true;
  adding.newcomers = {2};
  Rollout breach(adding, kStart);
  cr_assert_eq(breach.take_commands(kStart).size(), 3U, "a breach waits for nobody");
}

Test(rollout, immediate_has_no_switch_and_waits_for_nobody) {
  Rollout rollout(plan(3, true), kStart);
  const auto commands = rollout.take_commands(kStart);
  cr_assert_eq(commands.size(), 3U);
  cr_assert(std::ranges::all_of(commands, [](const auto& c) { return c.immediate; }));
  rollout.installed(2, kStart);
  cr_assert_eq(rollout.done_count(), 1U);
  cr_assert(rollout.has_installed(2));
  rollout.installed(1, kStart);
  rollout.installed(3, kStart);
  cr_assert(rollout.phase() == Rollout::Phase::completed);
  cr_assert(rollout.take_commands(kStart).empty());
}

Test(rollout, deadline_switches_those_who_have_it_and_names_the_straggler) {
  Rollout rollout(plan(3), kStart);
  (void)rollout.take_commands(kStart);
  rollout.installed(1, kStart);
  rollout.installed(3, kStart);
  const Instant due = kStart + kDeadline;
  cr_assert(rollout.next_deadline() == due);
  rollout.deadline_reached(due);
  cr_assert(nodes_of(rollout.take_commands(due), What::switch_generation) ==
            (std::set<protocol::NodeId>{1, 3}));
  cr_assert_not(rollout.settled());
  rollout.switched(1, due);
  rollout.switched(3, due);
  const auto reports = rollout.take_reports();
  cr_assert(reported(reports, RolloutReport::What::settled));
  cr_assert_eq(reports.back().straggler_count, 1U);
  cr_assert_eq(reports.back().stragglers[0].node_id, 2U);
  cr_assert_not(reported(reports, RolloutReport::What::completed));
}

Test(rollout, straggler_comes_back_in_the_background_and_completes) {
  Rollout rollout(plan(2), kStart);
  (void)rollout.take_commands(kStart);
  rollout.installed(1, kStart);
  Instant now = kStart + kDeadline;
  rollout.failed(2, "no answer", now);
  rollout.deadline_reached(now);
  (void)rollout.take_commands(now);
  rollout.switched(1, now);
  cr_assert(rollout.settled());
  now = *rollout.next_deadline();
  rollout.deadline_reached(now);
  const auto commands = rollout.take_commands(now);
  cr_assert_eq(commands.size(), 1U);
  cr_assert(commands[0].what == What::install && commands[0].node_id == 2);
  cr_assert(commands[0].immediate, "the others have switched: nobody is left on the old generation");
  rollout.installed(2, now);
  cr_assert(reported(rollout.take_reports(), RolloutReport::What::completed));
}

Test(rollout, late_answer_to_an_install_from_before_the_switch_is_switched) {
  Rollout rollout(plan(2), kStart);
  (void)rollout.take_commands(kStart);
  rollout.installed(1, kStart);
  const Instant due = kStart + kDeadline;
  rollout.deadline_reached(due);
  (void)rollout.take_commands(due);
  rollout.installed(2, due);  // its install was not immediate
  cr_assert(nodes_of(rollout.take_commands(due), What::switch_generation) == (std::set<protocol::NodeId>{2}));
  cr_assert_eq(rollout.done_count(), 0U);
}

Test(rollout, back_off_is_bounded_and_grows) {
  Rollout rollout(plan(1), kStart);
  Instant now = kStart;
  Duration last{};
  for (int i = 0; i < 12; ++i) {
    cr_assert_eq(rollout.take_commands(now).size(), 1U);
    rollout.failed(1, "busy", now);
    cr_assert(rollout.take_commands(now).empty());
    Instant next = *rollout.next_deadline();
    while (rollout.take_commands(next).empty()) {  // other deadlines come between
      rollout.deadline_reached(next);
      const auto commands = rollout.take_commands(next);
      if (!commands.empty()) break;
      next = *rollout.next_deadline();
    }
    cr_assert(next - now >= last);
    cr_assert(next - now <= kRetryMost);
    last = next - now;
    now = next;
    rollout.failed(1, "busy", now);
    rollout.heard(1, 0, now);  // at once again
  }
  cr_assert(last == kRetryMost);
  cr_assert_eq(rollout.waiting_for(5)[0].why, "busy");
}

Test(rollout, request_that_is_never_answered_for_counts_as_lost) {
  Rollout rollout(plan(1, true), kStart);
  cr_assert_eq(rollout.take_commands(kStart).size(), 1U);
  Instant now = kStart + kDeadline + kRequestSlack;
  rollout.deadline_reached(now);
  now = *rollout.next_deadline();
  rollout.deadline_reached(now);
  cr_assert_eq(rollout.take_commands(now).size(), 1U);
}

Test(rollout, heartbeat_on_the_generation_counts_as_switched) {
  Rollout rollout(plan(2), kStart);
  (void)rollout.take_commands(kStart);
  rollout.installed(1, kStart);
  rollout.installed(2, kStart);
  (void)rollout.take_commands(kStart);
  rollout.heard(1, 3, kStart);
  rollout.heard(2, 4, kStart);
  cr_assert(rollout.phase() == Rollout::Phase::completed);
}

Test(rollout, heartbeat_of_an_older_generation_changes_nothing_while_a_request_is_under_way) {
  Rollout rollout(plan(2), kStart);
  (void)rollout.take_commands(kStart);
  rollout.heard(1, 2, kStart);
  cr_assert(rollout.take_commands(kStart).empty());
  cr_assert_eq(rollout.done_count(), 0U);
}

Test(rollout, member_that_forgot_gets_its_install_again) {
  Rollout rollout(plan(2), kStart);
  (void)rollout.take_commands(kStart);
  rollout.installed(1, kStart);
  rollout.installed(2, kStart);
  (void)rollout.take_commands(kStart);
  rollout.switched(1, kStart);
  rollout.forgotten(2, kStart);
  cr_assert_not(rollout.has_installed(2));
  const Instant now = *rollout.next_deadline();
  rollout.deadline_reached(now);
  const auto commands = rollout.take_commands(now);
  cr_assert_eq(commands.size(), 1U);
  cr_assert(commands[0].what == What::install && commands[0].node_id == 2);
}

Test(rollout, postponed_member_is_asked_soon_and_not_called_a_failure) {
  Rollout rollout(plan(1), kStart);
  (void)rollout.take_commands(kStart);
  rollout.postponed(1, kStart);
  const Instant now = kStart + kRetryFirst;
  cr_assert(rollout.next_deadline() == now);
  rollout.deadline_reached(now);
  cr_assert_eq(rollout.take_commands(now).size(), 1U);
}

Test(rollout, answers_twice_or_from_strangers_change_nothing) {
  Rollout rollout(plan(2), kStart);
  (void)rollout.take_commands(kStart);
  rollout.installed(99, kStart);
  rollout.switched(99, kStart);
  rollout.failed(99, "x", kStart);
  rollout.installed(1, kStart);
  rollout.installed(1, kStart);
  cr_assert_not(rollout.all_installed());
  rollout.installed(2, kStart);
  (void)rollout.take_commands(kStart);
  rollout.switched(1, kStart);
  rollout.switched(1, kStart);
  cr_assert_eq(rollout.done_count(), 1U);
  rollout.switched(2, kStart);
  cr_assert_eq(rollout.done_count(), 2U);
  cr_assert(reported(rollout.take_reports(), RolloutReport::What::completed));
  rollout.switched(2, kStart);
  rollout.installed(2, kStart);
  cr_assert(rollout.take_reports().empty());
}

Test(rollout, requests_under_way_are_bounded_and_large_rosters_finish) {
  Rollout rollout(plan(1000, true), kStart);
  std::size_t sent = 0;
  for (auto commands = rollout.take_commands(kStart); !commands.empty();
       commands = rollout.take_commands(kStart)) {
    cr_assert(commands.size() <= kRequestsInFlight);
    sent += commands.size();
    for (const auto& command : commands) rollout.installed(command.node_id, kStart);
  }
  cr_assert_eq(sent, 1000U);
  cr_assert(rollout.phase() == Rollout::Phase::completed);
}

Test(rollout, survives_any_loss) {
  // Every third outcome is a loss; time runs on the rollout's own deadlines.
  Rollout rollout(plan(20), kStart);
  Instant now = kStart;
  unsigned n = 0;
  for (int turn = 0; turn < 1000 && rollout.phase() != Rollout::Phase::completed; ++turn) {
    for (const auto& command : rollout.take_commands(now)) {
      if (++n % 3 == 0) {
        rollout.failed(command.node_id, "no answer", now);
      } else if (command.what == What::install) {
        rollout.installed(command.node_id, now);
      } else {
        rollout.switched(command.node_id, now);
      }
    }
    if (const auto next = rollout.next_deadline()) now = std::max(now, *next);
    rollout.deadline_reached(now);
  }
  cr_assert(rollout.phase() == Rollout::Phase::completed);
  cr_assert_eq(rollout.waiting_for(99).size(), 0U);
}

Test(rollout, an_empty_roster_is_completed_at_once) {
  Rollout rollout(plan(0), kStart);
  cr_assert(rollout.phase() == Rollout::Phase::completed);
}

Test(rollout, every_reason_has_its_name) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kReasonCount; ++i) names.insert(reason_name(static_cast<Reason>(i)));
  cr_assert_eq(names.size(), kReasonCount);
  cr_assert_not(names.contains("unknown"));
}

Test(rollout, the_progress_of_each_member_is_told) {
  using Stage = MemberProgress::Stage;
  Rollout rollout(plan(2), kStart);
  cr_assert(rollout.progress(1)->stage == Stage::install && rollout.progress(1)->sent == 0);
  cr_assert_not(rollout.progress(9).has_value());
  const Instant sent = kStart + std::chrono::seconds(1);
  (void)rollout.take_commands(sent);
  cr_assert(rollout.progress(1)->since == sent);
  rollout.installed(1, sent + std::chrono::seconds(1));
  cr_assert(rollout.progress(1)->stage == Stage::others);
  cr_assert(rollout.progress(1)->since == sent + std::chrono::seconds(1));
  rollout.failed(2, "busy", sent + std::chrono::seconds(2));
  rollout.deadline_reached(sent + std::chrono::seconds(5));
  (void)rollout.take_commands(sent + std::chrono::seconds(5));
  const auto late = *rollout.progress(2);
  cr_assert(late.stage == Stage::install);
  cr_assert_eq(late.sent, 2U);
  cr_assert_eq(late.why, "busy");
  cr_assert(late.since == sent, "the first of them");
  cr_assert(rollout.switches_at() == kStart + kDeadline);
  cr_assert(rollout.phase_since() == kStart);
  rollout.deadline_reached(kStart + kDeadline);
  cr_assert(rollout.phase_since() == kStart + kDeadline);
  cr_assert_not(rollout.switches_at().has_value());
  (void)rollout.take_commands(kStart + kDeadline);
  cr_assert(rollout.progress(1)->stage == Stage::switch_generation);
  cr_assert_eq(rollout.progress(1)->sent, 1U, "of this stage");
  rollout.postponed(1, kStart + kDeadline);
  cr_assert_eq(rollout.progress(1)->sent, 0U, "it could not be sent");
  rollout.switched(1, kStart + kDeadline);
  cr_assert(rollout.progress(1)->stage == Stage::done);
}
