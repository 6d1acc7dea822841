#pragma once
// The state machine of session establishment (section 5) as one table: phase x input -> phases it may lead
// to. Handlers build their result with Transition<From, On>::to<To>(), so that a step which is not in the
// table does not compile. docs/state-machine.md is generated from this table.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "daemon/protocol/engine.h"

namespace akm::protocol {

/// What can move an establishment on one chain.
enum class Input : std::uint8_t {
  start,        // a rekey is due or asked for, or the next attempt after a failed one
  inform,       // SEI opened
  confirm,      // SEC opened
  final,        // SEF opened
  established,  // SE, or anything that is only sent after the commit, opened under a candidate
  repeat,       // time to send the current frame again
  timeout,      // NSET (FBSET, FSSET) passed
  close,        // NNRT passed at the initiator, which may go on without those it has not heard
  superseded,   // an attempt on a chain above began, or its commit gave this chain a new start
};
inline constexpr std::size_t kInputCount = static_cast<std::size_t>(Input::superseded) + 1;
inline constexpr std::size_t kPhaseCount = static_cast<std::size_t>(Phase::sef) + 1;

inline constexpr std::array kPhases{Phase::se, Phase::sei, Phase::sec, Phase::sef};
inline constexpr std::array kInputs{Input::start,   Input::inform,      Input::confirm,
                                    Input::final,   Input::established, Input::repeat,
                                    Input::timeout, Input::close,       Input::superseded};

constexpr std::string_view input_name(Input input) {
  constexpr std::array<std::string_view, kInputCount> kNames{
      "start", "inform", "confirm", "final", "established", "repeat", "timeout", "close", "superseded"};
  return kNames[static_cast<std::size_t>(input)];
}

/// A set of phases.
class PhaseSet {
 public:
  constexpr PhaseSet() = default;
  constexpr PhaseSet(std::initializer_list<Phase> phases) {
    for (const Phase phase : phases) bits_ |= bit(phase);
  }
  [[nodiscard]] constexpr bool has(Phase phase) const { return (bits_ & bit(phase)) != 0; }

 private:
  static constexpr std::uint8_t bit(Phase phase) {
    return static_cast<std::uint8_t>(1U << static_cast<unsigned>(phase));
  }
  std::uint8_t bits_ = 0;
};

/// Row: phase; column: input, in the order of Input.
inline constexpr std::array<std::array<PhaseSet, kInputCount>, kPhaseCount> kTransitions{{
    // SE: nothing to do. An SEI that wins makes the node join; with two members it can derive at once.
    {{
        /* start       */ {Phase::sei},
        /* inform      */ {Phase::se, Phase::sei, Phase::sec},
        /* confirm     */ {Phase::se},
        /* final       */ {Phase::se},
        /* established */ {Phase::se},
        /* repeat      */ {Phase::se},
        /* timeout     */ {},
        /* close       */ {},
        /* superseded  */ {Phase::se},
    }},
    // SEI: gathering contributions. A closing SEI that leaves this member out ends the attempt for it.
    {{
        /* start       */ {Phase::sei},
        /* inform      */ {Phase::sei, Phase::sec, Phase::se},
        /* confirm     */ {Phase::sei},
        /* final       */ {Phase::sei},
        /* established */ {Phase::se},
        /* repeat      */ {Phase::sei},
        /* timeout     */ {Phase::sei, Phase::se},
        /* close       */ {Phase::sei, Phase::sec},
        /* superseded  */ {Phase::se},
    }},
    // SEC: derived; waiting until all have. A final frame says that its sender knows all to have derived.
    {{
        /* start       */ {Phase::sei},
        /* inform      */ {Phase::sec, Phase::sei, Phase::se},
        /* confirm     */ {Phase::sec, Phase::sef},
        /* final       */ {Phase::sef, Phase::se},
        /* established */ {Phase::se},
        /* repeat      */ {Phase::sec},
        /* timeout     */ {Phase::sec, Phase::se},
        /* close       */ {},
        /* superseded  */ {Phase::se},
    }},
    // SEF: the candidate is on the disk; waiting until all have it there.
    {{
        /* start       */ {Phase::sei},
        /* inform      */ {Phase::sef, Phase::sei, Phase::sec, Phase::se},
        /* confirm     */ {Phase::sef},
        /* final       */ {Phase::sef, Phase::se},
        /* established */ {Phase::se},
        /* repeat      */ {Phase::sef},
        /* timeout     */ {Phase::sef, Phase::se},
        /* close       */ {},
        /* superseded  */ {Phase::se},
    }},
}};

constexpr PhaseSet allowed_from(Phase from, Input on) {
  return kTransitions[static_cast<std::size_t>(from)][static_cast<std::size_t>(on)];
}
constexpr bool may(Phase from, Input on, Phase to) {
  return allowed_from(from, on).has(to);
}

/// The result of a handler: where the machine goes and what it asks for. Only `to` makes one.
template <Phase From, Input On, typename Effects>
class Transition {
 public:
  template <Phase To>
  [[nodiscard]] static Transition to(Effects effects) {
    static_assert(may(From, On, To), "not in kTransitions");
    return Transition(To, std::move(effects));
  }
  [[nodiscard]] Phase next() const { return next_; }
  [[nodiscard]] Effects take_effects() && { return std::move(effects_); }

 private:
  Transition(Phase next, Effects effects) : next_(next), effects_(std::move(effects)) {}
  Phase next_;
  Effects effects_;
};

}  // namespace akm::protocol
