#include "tests/sim/history.h"

#include <algorithm>
#include <utility>

#include "tests/sim/adversary.h"
#include "tests/sim/manager.h"
#include "tests/sim/member.h"
#include "tests/sim/traffic.h"

namespace akm::sim {
namespace {

using namespace std::chrono_literals;

// Pauses between failed attempts double up to 60 s (section 5), so that the last one before agreement may
// begin that late; a rollout behind it takes its own deadlines.
constexpr Duration kAgreeWithin = 240s;
// What usual sizes need is far below that, and below the interval of timed rekeys, which would bring back
// whoever is not reminded.
constexpr Duration kAgreeWithinIfSmall = 30s;
constexpr std::uint32_t kSmall = 64;
constexpr std::size_t kAskedAtOnce = protocol::limits::kPendingRequestsPerPeer + 8;
constexpr Duration kContradictionHeard = 50ms;
constexpr Duration kPollFirst = 40ms;
constexpr Duration kPollLast = 2s;
constexpr Duration kRekeyWithin = 20s;
// Attempts that one machine may start or join until all agree, for each of its relationships.
constexpr std::uint64_t kAttemptsAtMost = 24;
// Of these, failed ones in one relationship: twice all attempts of the three chains.
constexpr std::uint64_t kRoundsAtMost = 14;
constexpr std::uint64_t kStepsPerMachine = 200'000;

using Key = std::pair<std::uint32_t, std::uint32_t>;  // generation and epoch

class History {
 public:
  History(const Plan& plan, Observer* also)
      : plan_(plan),
        faults_(plan.seed, plan.faults),
        fleet_(1 + plan.setting.members + plan.setting.spares + plan.setting.copies, plan_.setting, plan.seed,
               faults_),
        watch_(fleet_, plan_.setting),
        adversary_(fleet_, plan.seed),
        manager_(fleet_, plan_.setting, plan.seed),
        members_(fleet_),
        traffic_(fleet_, watch_, manager_, plan_.setting, plan.seed) {
    fleet_.observe(watch_);
    fleet_.observe(adversary_);
    fleet_.observe(traffic_);
    if (also != nullptr) fleet_.observe(*also);
    fleet_.on_report = [this](std::size_t i, protocol::Effect& effect) {
      if (std::holds_alternative<protocol::ContradictionSeen>(effect)) return contradiction();
      if (i == kManager) {
        manager_.report(effect);
      } else {
        members_.report(i, effect);
      }
    };
    fleet_.on_start = [this](std::size_t i) {
      if (i == kManager) {
        manager_.restarted();
      } else if (plan_.setting.managed && i <= nodes()) {
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
    traffic_.begin();
  }

  [[nodiscard]] std::size_t nodes() const { return plan_.setting.members + plan_.setting.spares; }
  std::size_t any_node(std::uint32_t lot) const { return 1 + lot % nodes(); }
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
      case ActKind::stall:
        return adversary_.stall(any_member(act.a), act.b);
      case ActKind::say:
        return traffic_.say(any_member(act.a), act.b);
      case ActKind::rotate:
      case ActKind::ask:
      case ActKind::add:
      case ActKind::remove:
      case ActKind::evict:
      case ActKind::renew:
      case ActKind::breach:
      case ActKind::clone:
        if (managed) manage(act, odd);
    }
  }

  /// One machine of a history at the most lives twice.
  void clone(std::size_t machine, std::uint32_t how) {
    if (plan_.setting.copies == 0 || fleet_.copied() || manager_.members().size() < 3) return;
    const std::size_t second = fleet_.size() - 1;
    fleet_.copy(machine, second, std::chrono::milliseconds(1 + how % 300));
    manager_.expect_eviction(machine);
    members_.forget(machine);
    fleet_.note(machine, "lives twice");
  }

  /// Whoever sees two copies of a node tells the NMM, which puts both out.
  void contradiction() {
    if (!fleet_.copied()) return;
    fleet_.call_at(fleet_.now() + kContradictionHeard,
                   [this] { (void)manager_.evict(fleet_.copied()->from, true); });
  }

  void manage(const Act& act, bool odd) {
    switch (act.kind) {
      case ActKind::rotate:
        return manager_.rotate(any_node(act.a));
      case ActKind::ask:
        // Now and then more at once than may wait.
        for (std::size_t i = 0; i < (act.b % 16 == 3 ? kAskedAtOnce : 1); ++i) {
          members_.ask(odd ? kManager : any_node(act.a), any_node(act.a), act.b % 8 == 0);
        }
        return;
      case ActKind::add:
        (void)manager_.add(any_node(act.a));
        return;
      case ActKind::remove:
        (void)manager_.remove(any_member(act.a));
        return;
      case ActKind::evict:
        (void)manager_.evict(any_member(act.a), odd, act.b / 2 % 4 != 0);
        return;
      case ActKind::renew:
        // At once, a machine that has not got it yet loses what is said meanwhile; so does one whose
        // installed generation is replaced while others switch to it.
        if (plan_.setting.lossless && !manager_.settled()) return;
        (void)manager_.renew(odd && !plan_.setting.lossless);
        return;
      case ActKind::clone:
        return clone(any_member(act.a), act.b);
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
      case ActKind::say:
      case ActKind::stall:
        return;
    }
  }

  void end_faults() {
    faults_.stop(true);
    adversary_.end_faults();
    fleet_.wire().heal();
    fleet_.revive();
    fleet_.note(kManager, "faults stop");
    // Of two copies the one with the lower incarnation is refused, and need not be seen: it may lack every
    // key under which an outsider could not have recorded it. Somebody finds out otherwise.
    if (const auto& copied = fleet_.copied();
        copied && fleet_.machine(copied->from).incarnation != fleet_.machine(copied->to).incarnation) {
      (void)manager_.evict(copied->from, true);
    }
    watch_.begin_liveness();
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      attempts_before_.push_back(fleet_.machine(i).engine->counters().attempts_started);
    }
  }

  /// Empty when all members of the NMM's generation stand idle under one key of it.
  std::string disagreement(Key above) {
    if (!manager_.settled()) return "a generation has not arrived everywhere";
    if (!members_.settled()) return "a breach report is unheard";
    if (fleet_.copied() && manager_.is_member(fleet_.copied()->from))
      return "nobody has seen the second copy";
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
    for (std::size_t node = 1; node <= nodes(); ++node) {
      if (fleet_.machine(node).hostile || fleet_.machine(node).doubled) continue;
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
    if (!within(plan_.setting.members <= kSmall ? kAgreeWithinIfSmall : kAgreeWithin, {})) return;
    to_agree_ = fleet_.now() - start;
    rounds_ = watch_.rounds();
    for (const std::uint64_t rounds : rounds_) {
      if (rounds > kRoundsAtMost)
        watch_.violate(Invariant::liveness, std::to_string(rounds) + " failed attempts");
    }
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      if (fleet_.machine(i).hostile || fleet_.machine(i).doubled) continue;
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
    traffic_.end();
    fleet_.run_until(fleet_.now() + std::chrono::milliseconds(policy_of(plan_.setting).grace_ms) + 100ms);
  }

  void shut_down() {
    watch_.finish();
    traffic_.finish();
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
    result.rounds = rounds_;
    return result;
  }

  const Plan& plan_;
  FaultPoints faults_;
  Fleet fleet_;
  Watch watch_;
  Adversary adversary_;
  Manager manager_;
  Members members_;
  Traffic traffic_;
  Instant begin_;
  std::vector<std::uint64_t> attempts_before_;
  Key agreed_{};
  Duration to_agree_{};
  std::uint64_t attempts_ = 0;
  Watch::Rounds rounds_{};
};

}  // namespace

Outcome run_history(const Plan& plan, Observer* also) {
  reset_secrets(2 + plan.setting.members + plan.setting.spares + plan.setting.copies);
  History history(plan, also);
  return history.run();
}

}  // namespace akm::sim
