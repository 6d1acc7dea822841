#include "tests/sim/history.h"

#include <algorithm>
#include <utility>

#include "tests/sim/adversary.h"
#include "tests/sim/manager.h"
#include "tests/sim/member.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

// Pauses between failed attempts double up to 60 s (section 5), so that the last one before agreement may
// begin that late; a rollout behind it takes its own deadlines.
constexpr Duration kAgreeWithin = 240s;
constexpr Duration kPollFirst = 40ms;
constexpr Duration kPollLast = 2s;
constexpr Duration kRekeyWithin = 20s;
// Attempts that one machine may start or join until all agree, for each of its relationships.
constexpr std::uint64_t kAttemptsAtMost = 24;
constexpr std::uint64_t kStepsPerMachine = 200'000;

using Key = std::pair<std::uint32_t, std::uint32_t>;  // generation and epoch

class History {
 public:
  History(const Plan& plan, Observer* also)
      : plan_(plan),
        faults_(plan.seed, plan.faults),
        fleet_(1 + plan.setting.members + plan.setting.spares, plan_.setting, plan.seed, faults_),
        watch_(fleet_, plan.setting.majority),
        adversary_(fleet_, plan.seed),
        manager_(fleet_, plan_.setting, plan.seed),
        members_(fleet_) {
    fleet_.observe(watch_);
    fleet_.observe(adversary_);
    if (also != nullptr) fleet_.observe(*also);
    fleet_.on_report = [this](std::size_t i, protocol::Effect& effect) {
      if (i == kManager) {
        manager_.report(effect);
      } else {
        members_.report(i, effect);
      }
    };
    fleet_.on_start = [this](std::size_t i) {
      if (i == kManager) {
        manager_.restarted();
      } else if (plan_.setting.managed) {
        members_.restarted(i);
      }
    };
    manager_.on_generation = [this](std::uint32_t generation, const std::set<std::size_t>& members,
                                    bool at_once) { watch_.generation_made(generation, members, at_once); };
  }

  Outcome run() {
    set_up();
    for (const Act& act : plan_.acts) {
      fleet_.run_until(begin_ + act.at);
      perform(act);
      check_progress();
      if (!watch_.violations().empty()) return outcome();
    }
    fleet_.run_until(fleet_.now() + 200ms);
    if (watch_.violations().empty()) end_faults();
    if (watch_.violations().empty()) agree();
    if (watch_.violations().empty()) rekey_once_more();
    if (watch_.violations().empty()) shut_down();
    return outcome();
  }

 private:
  void set_up() {
    // Nothing fails before there is anything to lose.
    faults_.stop(true);
    for (std::size_t i = 0; i < fleet_.size(); ++i) fleet_.start(i);
    manager_.create(plan_.setting.members);
    faults_.stop(false);
    begin_ = fleet_.now();
  }

  std::size_t any_node(std::uint32_t lot) const { return 1 + lot % (fleet_.size() - 1); }
  std::size_t any_member(std::uint32_t lot) const {
    const auto members = manager_.members();
    return members[lot % members.size()];
  }

  void perform(const Act& act) {
    const bool odd = act.b % 2 != 0;
    const bool managed = plan_.setting.managed && fleet_.machine(kManager).engine.has_value();
    switch (act.kind) {
      case ActKind::rekey:
        fleet_.note(any_member(act.a), "rekey");
        return fleet_.post(any_member(act.a), protocol::RequestRekey{kGroup});
      case ActKind::crash:
        return fleet_.crash(act.a % fleet_.size(), odd, std::chrono::milliseconds(1 + act.b % 1500));
      case ActKind::pause:
        return fleet_.freeze(act.a % fleet_.size(), std::chrono::milliseconds(1 + act.b % 2500));
      case ActKind::jump:
        return fleet_.jump(act.a % fleet_.size(), std::chrono::milliseconds(1 + act.b % 20'000));
      case ActKind::cut:
        fleet_.note(kManager, odd ? "partition, one way" : "partition");
        return fleet_.wire().cut(act.b);
      case ActKind::heal:
        return fleet_.wire().heal();
      case ActKind::replay:
        return adversary_.replay(act.a, act.b);
      case ActKind::lie:
        return adversary_.corrupt(any_member(act.a), act.b);
      case ActKind::rotate:
      case ActKind::ask:
      case ActKind::add:
      case ActKind::remove:
      case ActKind::evict:
      case ActKind::renew:
      case ActKind::breach:
        if (managed) manage(act, odd);
    }
  }

  void manage(const Act& act, bool odd) {
    switch (act.kind) {
      case ActKind::rotate:
        return manager_.rotate(any_node(act.a));
      case ActKind::ask:
        return members_.ask(odd ? kManager : any_node(act.a), any_node(act.a), act.b % 8 == 0);
      case ActKind::add:
        (void)manager_.add(any_node(act.a));
        return;
      case ActKind::remove:
        (void)manager_.remove(any_member(act.a));
        return;
      case ActKind::evict:
        (void)manager_.evict(any_member(act.a), odd);
        return;
      case ActKind::renew:
        (void)manager_.renew(odd);
        return;
      case ActKind::breach:
        return members_.breached(any_member(act.a));
      case ActKind::rekey:
      case ActKind::crash:
      case ActKind::pause:
      case ActKind::jump:
      case ActKind::cut:
      case ActKind::heal:
      case ActKind::replay:
      case ActKind::lie:
        return;
    }
  }

  void end_faults() {
    faults_.stop(true);
    fleet_.wire().heal();
    fleet_.revive();
    fleet_.note(kManager, "faults stop");
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      attempts_before_.push_back(fleet_.machine(i).engine->counters().attempts_started);
    }
  }

  /// Empty when all members of the NMM's generation stand idle under one key of it.
  std::string disagreement(Key above) {
    if (!manager_.settled()) return "a generation has not arrived everywhere";
    if (!members_.settled()) return "a breach report is unheard";
    std::optional<protocol::AsrView> first;
    for (const std::size_t machine : manager_.members()) {
      auto view = fleet_.machine(machine).engine->view(kGroup);
      const std::string who = name_of_machine(machine);
      if (!view) return who + " has lost its membership";
      if (view->description.generation != manager_.generation()) return who + " is on another generation";
      if (view->phase != protocol::Phase::se)
        return who + " is still in " + std::string(phase_name(view->phase));
      if (first && (view->epoch != first->epoch || view->check != first->check)) {
        return who + " stands at epoch " + std::to_string(view->epoch) + ", the first member at " +
               std::to_string(first->epoch);
      }
      if (!first) first = std::move(view);
    }
    const Key key{first->description.generation, first->epoch};
    if (key <= above) return "no rekey came through";
    agreed_ = key;
    return plan_.setting.managed ? links_disagree() : std::string{};
  }

  std::string links_disagree() {
    for (std::size_t node = 1; node < fleet_.size(); ++node) {
      if (fleet_.machine(node).hostile) continue;
      const auto here = fleet_.machine(node).engine->view(link_of(node));
      const auto there = fleet_.machine(kManager).engine->view(link_of(node));
      if (!here || !there) return "the link of " + name_of_machine(node) + " is lost";
      if (here->epoch != there->epoch || here->check != there->check) {
        return "the link of " + name_of_machine(node) + " stands at epochs " + std::to_string(here->epoch) +
               " and " + std::to_string(there->epoch);
      }
    }
    return {};
  }

  void check_progress() {
    if (fleet_.stalled()) watch_.violate(Invariant::limits, "steps without time passing");
    if (fleet_.steps() > kStepsPerMachine * fleet_.size())
      watch_.violate(Invariant::limits, "steps without end");
  }

  bool within(Duration span, Key above) {
    const Instant end = fleet_.now() + span;
    Duration poll = kPollFirst;
    std::string why = disagreement(above);
    while (!why.empty() && fleet_.now() < end && watch_.violations().empty()) {
      fleet_.run_until(fleet_.now() + poll);
      poll = std::min<Duration>(poll * 3 / 2, kPollLast);
      why = disagreement(above);
      check_progress();
    }
    if (!why.empty() && watch_.violations().empty()) watch_.violate(Invariant::liveness, why);
    return why.empty();
  }

  void agree() {
    const Instant start = fleet_.now();
    if (!within(kAgreeWithin, {})) return;
    to_agree_ = fleet_.now() - start;
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      if (fleet_.machine(i).hostile) continue;
      const auto& engine = *fleet_.machine(i).engine;
      const std::uint64_t attempts = engine.counters().attempts_started - attempts_before_[i];
      attempts_ = std::max(attempts_, attempts);
      if (attempts > kAttemptsAtMost * engine.relationships().size()) {
        watch_.violate(Invariant::liveness,
                       name_of_machine(i) + " took " + std::to_string(attempts) + " attempts");
      }
    }
  }

  void rekey_once_more() {
    const Key before = agreed_;
    fleet_.note(manager_.members().front(), "rekey");
    fleet_.post(manager_.members().front(), protocol::RequestRekey{kGroup});
    if (!within(kRekeyWithin, before)) return;
    fleet_.run_until(fleet_.now() + std::chrono::milliseconds(policy_of(plan_.setting).grace_ms) + 100ms);
  }

  void shut_down() {
    watch_.finish();
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      fleet_.machine(i).engine.reset();
      if (live_count(static_cast<Owner>(i + 1)).bytes != 0) {
        watch_.violate(Invariant::erasure, name_of_machine(i) + " ended and left secrets behind");
      }
    }
  }

  Outcome outcome() {
    Outcome result;
    result.violations = watch_.violations();
    result.figures = watch_.figures();
    result.figures.histories = 1;
    result.figures.steps = fleet_.steps();
    result.figures.faults = faults_.fired().size();
    result.faults = {faults_.fired().begin(), faults_.fired().end()};
    result.to_agree = to_agree_;
    result.attempts = attempts_;
    return result;
  }

  const Plan& plan_;
  FaultPoints faults_;
  Fleet fleet_;
  Watch watch_;
  Adversary adversary_;
  Manager manager_;
  Members members_;
  Instant begin_;
  std::vector<std::uint64_t> attempts_before_;
  Key agreed_{};
  Duration to_agree_{};
  std::uint64_t attempts_ = 0;
};

}  // namespace

Outcome run_history(const Plan& plan, Observer* also) {
  reset_secrets(2 + plan.setting.members + plan.setting.spares);
  History history(plan, also);
  return history.run();
}

}  // namespace akm::sim
