/* Session establishment (docs/protocol.md, section 5) on the normal, the fallback and the failsafe chain, for Spin.
 *
 * What is sent stays on the network for good: each frame may be heard at any later time, many times or never. That is
 * loss, delay, reordering, repetition and replay in one, and it makes bitmaps, answers and repeats needless. Secrets are
 * symbols: a candidate is what went into its transcript, so two members have the same key when they used the same.
 * What a crash leaves is nb, ne, fb, fs and st. Every step of a phase is a MOVE; the names are those of
 * daemon/protocol/transition_table.h, and correspondence.cpp compares the two.
 *
 * After a first part with faults (bounded) comes a quiet one (`quiet`): no crash, nobody gives up, and NSET passes only
 * when nothing else can happen. Every run is finite, and one that ends otherwise than in agreement is an invalid end.
 *
 * Bounds: N members, STARTS attempts begun and CRASHES, GIVEUPS in the first part, QUIET_STARTS in the second.
 * QUORUM: majority instead of all. STAR: members derive from the initiator's D. FAILSAFE: with the failsafe chain.
 * NORMAL_GOES_ON: SEFs of a chain below commit during an attempt above too. FAIR: agreement as a formula. BUG_*:
 * mistakes that must be found.
 */
#include "state.pml"
#include "attempts.pml"
#include "commit.pml"
#include "steps.pml"

/* Who begins when nothing else happens: where one has been left behind, the last of those, on the fallback chain, or on
 * the failsafe chain where they do not agree on that one either; else the lowest index. */
#define LAST(m) (ne[m] <= ne[0] && ne[m] <= ne[1] IF3(&& ne[m] <= ne[2]) IF4(&& ne[m] <= ne[3]))
/* Of those who agree, those in an attempt on the chain above go before: they join nothing below. */
#define HIGHEST(m) (CHAIN_OF(m) >= CHAIN_OF(0) && CHAIN_OF(m) >= CHAIN_OF(1) IF3(&& CHAIN_OF(m) >= CHAIN_OF(2)) \
                    IF4(&& CHAIN_OF(m) >= CHAIN_OF(3)))
#define LOWEST_INDEX(m) (HIGHEST(0) -> m == 0 : (HIGHEST(1) -> m == 1 : (N < 4 || HIGHEST(2) -> m == 2 : m == 3)))
#define TURN(m) (SAME_KEYS -> LOWEST_INDEX(m) : LAST(m))
#ifdef FAILSAFE
#define BEHIND_CHAIN(m) (SAME_FALLBACK -> MAX(CHAIN_OF(m), FALLBACK) : FAILSAFE_CHAIN)
#else
#define BEHIND_CHAIN(m) FALLBACK
#endif
#define TURN_CHAIN(m) (SAME_KEYS -> CHAIN_OF(m) : BEHIND_CHAIN(m))
#ifdef BUG_NO_RETRY
#define RETRIES false
#else
#define RETRIES true
#endif
#define STUCK (timeout && quiet)
/* Left behind on all chains: the NMM and a new generation. Only where P was not all. */
#ifndef QUORUM
#define LOST false
#elif defined(FAILSAFE)
#define SAME_FAILSAFE (fs[0] == fs[1] IF3(&& fs[0] == fs[2]) IF4(&& fs[0] == fs[3]))
#define LOST (!SAME_FALLBACK && (!SAME_FAILSAFE || fs[0] != 0))
#else
#define LOST (!SAME_FALLBACK)
#endif

#define EACH_OTHER(X) X(0) X(1) IF3(X(2)) IF4(X(3))
#define EACH_CANDIDATE(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#if ATTEMPTS > 5
#error "EACH_ATTEMPT is too short"
#endif
#define EACH_ATTEMPT(X) X(0) X(1) X(2) FOURTH(X(3)) FIFTH(X(4))
#if ATTEMPTS >= 4
#define FOURTH(x) x
#else
#define FOURTH(x)
#endif
#if ATTEMPTS >= 5
#define FIFTH(x) x
#else
#define FIFTH(x)
#endif
#define FOR_ATTEMPT(x) \
  :: d_step { WINS(x) && !BELOW(x) -> step_join(x) } \
  :: d_step { WINS(x) && BELOW(x) && MORE -> COUNT_START; step_answer_above(x) }
#define MORE (quiet -> quiet_starts < QUIET_STARTS : starts < STARTS)
#define COUNT_START if :: quiet -> quiet_starts++ :: else -> starts++ fi
#define FOR_OTHER(s) \
  :: d_step { CONTRIBUTES(s) -> step_gather(s) } \
  :: d_step { CONFIRMS(s) -> step_confirm(s) } \
  :: d_step { FINISHES(s) -> step_final(s) }
#define FOR_CANDIDATE(k) :: d_step { TELLS(k) -> step_established(k) }
#define FOR_CLOSING(k) \
  :: d_step { CLOSING(k) -> step_closing(k) } \
  :: d_step { WITHOUT(k) -> step_without(k) }
#ifdef NORMAL_GOES_ON
#define LEFT(k) (AT_CHAIN(me) > K_CHAIN(k))
#else
#define LEFT(k) (k != ck[me])
#endif
#define FOR_LEFT(k) \
  :: d_step { k <= candidates && HAS(st[me], k) && LEFT(k) && WITHIN(k_members[k], sef[k]) -> \
      if :: AT_CHAIN(me) == NORMAL -> ph[me] = SE :: else fi; commit(k) }

proctype Member(byte me) {
  do
  EACH_ATTEMPT(FOR_ATTEMPT)
  EACH_OTHER(FOR_OTHER)
  EACH_CANDIDATE(FOR_CANDIDATE)
#if defined(QUORUM) || defined(STAR)
  EACH_CANDIDATE(FOR_CLOSING)
#endif
#ifdef QUORUM
  :: d_step { !quiet && CLOSES -> step_close() }
  :: atomic { STUCK && CLOSES -> d_step { step_close() } }
#endif
#if defined(BUG_LEFT_SEF) || defined(NORMAL_GOES_ON)
  EACH_CANDIDATE(FOR_LEFT)
#endif
  :: d_step { !quiet && starts < STARTS && MAY_BEGIN(me, NORMAL) -> starts++; step_start(NORMAL) }
#ifndef NO_FALLBACK
  :: d_step { !quiet && starts < STARTS && MAY_BEGIN(me, FALLBACK) -> starts++; step_start(FALLBACK) }
#endif
#ifdef FAILSAFE
  :: d_step { !quiet && starts < STARTS && MAY_BEGIN(me, FAILSAFE_CHAIN) -> starts++; step_start(FAILSAFE_CHAIN) }
#endif
  :: d_step { !quiet && giveups < GIVEUPS && ph[me] != SE -> giveups++; step_give_up() }
  :: d_step { !quiet && crashes < CRASHES && (ph[me] != SE || TRIED(me) > 0) -> crashes++; restart() }
  :: atomic { STUCK && !AGREED && !LOST && TURN(me) && RETRIES && quiet_starts < QUIET_STARTS ->
      d_step { quiet_starts++; t0 = TURN_CHAIN(me); step_start(t0) } }
  :: STUCK && (AGREED || LOST) -> break
  od
}

init {
  d_step {
    for (i : 0 .. N - 1) {
      ne[i] = 1; at[i] = NONE
    }
  }
  atomic {
    run Member(0); run Member(1); IF3(run Member(2);) IF4(run Member(3);)
  }
  quiet = true;
  printf("quiet\n")
}

#ifdef FAIR
/* The same, as what it is called for: once faults stop, all are in agreement for good. */
ltl agreement { [] (quiet -> <> [] AGREED) }
#endif
