/* Session establishment (docs/protocol.md, section 5) on the normal and the fallback chain, for Spin.
 *
 * What is sent stays on the network for good: each frame may be heard at any later time, many times or never. That is
 * loss, delay, reordering, repetition and replay in one, and it makes bitmaps, answers and repeats needless. Secrets are
 * symbols: a candidate is what went into its transcript, so two members have the same key when they used the same.
 * What a crash leaves is nb, ne, fb and st. Every step of a phase is a MOVE; the names are those of
 * daemon/protocol/transition_table.h, and correspondence.cpp compares the two.
 *
 * After a first part with faults (bounded) comes a quiet one (`quiet`): no crash, nobody gives up, and NSET passes only
 * when nothing else can happen. Every run is finite, and one that ends otherwise than in agreement is an invalid end.
 *
 * Bounds: N members, STARTS attempts begun and CRASHES, GIVEUPS in the first part, QUIET_STARTS in the second.
 * QUORUM: majority instead of all. STAR: members derive from the initiator's D. NORMAL_GOES_ON: SEFs of the normal chain
 * commit during an attempt on the fallback chain too. FAIR: agreement as a formula. BUG_*: mistakes that must be found.
 */
#ifndef N
#define N 2
#endif
#ifndef STARTS
#define STARTS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef GIVEUPS
#define GIVEUPS 1
#endif
#ifndef QUIET_STARTS
#define QUIET_STARTS 3
#endif

#define ATTEMPTS (STARTS + QUIET_STARTS)
#ifndef CANDIDATES
#define CANDIDATES 12 /* bits of st; an assertion watches that they are enough */
#endif
/* Contributions of one member to one attempt; at most seven, three bits of a vector. */
#define AGAIN (1 + CRASHES + GIVEUPS)
#define ALL ((1 << N) - 1)
#define BIT(i) (1 << (i))
#define HAS(set, i) (((set) >> (i)) & 1)
#define WITHIN(a, b) (((a) & ~(b)) == 0)
#define OWN(v, i) (((v) >> (3 * (i))) & 7)

#define SE 0
#define SEI 1
#define SEC 2
#define SEF 3
#define NORMAL 0
#define FALLBACK 1
#define NONE 255

c_decl {
  /* Not part of the state: how often each step of the table was taken. */
  static unsigned long moved[4][9][4];
  enum { in_start, in_inform, in_confirm, in_final, in_established, in_repeat, in_timeout, in_close, in_superseded };
  __attribute__((destructor)) static void report_moves(void) {
    static const char* phases[] = {"SE", "SEI", "SEC", "SEF"};
    static const char* inputs[] = {"start", "inform", "confirm", "final", "established",
                                   "repeat", "timeout", "close", "superseded"};
    for (int f = 0; f < 4; ++f)
      for (int i = 0; i < 9; ++i)
        for (int t = 0; t < 4; ++t)
          if (moved[f][i][t]) printf("moved %s %s %s %lu\n", phases[f], inputs[i], phases[t], moved[f][i][t]);
  }
};

/* One branch of an if: from a phase, on an input, to a phase. The words are for who replays a trail (spin -t). */
#define MOVE(from, input, to) ph[me] == from -> ph[me] = to; c_code { ++moved[from][in_##input][to]; }; \
  printf("member %d: ", me); printf(#from); printf(" "); printf(#input); printf(" "); printf(#to); \
  printf(", attempt %d, candidate %d, epoch %d\n", at[me], ck[me], ne[me])

/* Attempts that were begun: chain, the committed key it is sent under, target, initiator. */
byte attempts = 0;
byte a_chain[ATTEMPTS], a_base[ATTEMPTS], a_target[ATTEMPTS], a_init[ATTEMPTS];
/* SEIs on the network: how many contributions of a member to an attempt, and the high epoch in each. */
#define SEIS(a, m) seis[(a) * N + (m)]
#define HIGH_IN(a, m, c) high_in[((a) * N + (m)) * AGAIN + (c) - 1]
byte seis[ATTEMPTS * N];
byte high_in[ATTEMPTS * N * AGAIN];
/* Candidates 1, 2, ..: attempt, P, contributions (three bits a member), E; and who has sent SEC, SEF, SE under each. */
byte candidates = 0;
byte k_attempt[CANDIDATES], k_members[CANDIDATES], k_high[CANDIDATES], sec[CANDIDATES], sef[CANDIDATES], se[CANDIDATES];
short k_vector[CANDIDATES];
#define K_CHAIN(k) a_chain[k_attempt[k]]
#define K_TARGET(k) a_target[k_attempt[k]]
#define K_EPOCH(k) (K_CHAIN(k) == NORMAL -> K_TARGET(k) : k_high[k] + 1)

/* Durable: normal key and its epoch, fallback key, stored candidates. Key 0 is that of the install, at epoch 1.
 * Of the stored ones, for guards: the highest (0 for none), and all their members. */
byte nb[N], ne[N], fb[N], top[N], bound[N];
short st[N];
/* Lost in a crash: phase, attempt, contributions here, candidate, who is known to be in SEC and in SEF, highest target
 * tried since the last commit and highest one derived, by chain. */
short got[N];
byte ph[N], at[N], ck[N], ksec[N], ksef[N], tried[2 * N], derived[2 * N];

byte starts = 0, quiet_starts = 0, crashes = 0, giveups = 0;
bool quiet = false;

hidden byte t0, t1, t2, t3, t4; /* of one step */
hidden byte i;

#define BASE(m, c) (c == NORMAL -> nb[m] : fb[m])
#define FALLBACK_EPOCH(m) (fb[m] == 0 -> 1 : K_TARGET(fb[m]))
#define EPOCH(m, c) (c == NORMAL -> ne[m] : FALLBACK_EPOCH(m))

/* The order of attempts: chain, then target, then the lower initiator. */
#define OUTRANKS(x, y) (a_chain[x] > a_chain[y] || (a_chain[x] == a_chain[y] && \
                        (a_target[x] > a_target[y] || (a_target[x] == a_target[y] && a_init[x] < a_init[y]))))

/* What is told as the high epoch. */
#ifdef BUG_HIGH_IS_COMMITTED
#define HIGH(m) ne[m]
#else
#define MAX(a, b) (a > b -> a : b)
#define HIGH(m) MAX(MAX(derived[m], ne[m]), MAX(derived[N + m], FALLBACK_EPOCH(m)))
#endif

#define SAME_KEYS (nb[0] == nb[1] && ne[0] == ne[1] IF3(&& nb[0] == nb[2] && ne[0] == ne[2]) \
                   IF4(&& nb[0] == nb[3] && ne[0] == ne[3]))
#define SAME_FALLBACK (fb[0] == fb[1] IF3(&& fb[0] == fb[2]) IF4(&& fb[0] == fb[3]))
#define IDLE (ph[0] == SE && ph[1] == SE IF3(&& ph[2] == SE) IF4(&& ph[3] == SE))
#define AGREED (SAME_KEYS && IDLE)
#if N >= 3
#define IF3(x) x
#else
#define IF3(x)
#endif
#if N >= 4
#define IF4(x) x
#else
#define IF4(x)
#endif

#define IN_FALLBACK(m) (at[m] != NONE && a_chain[at[m]] == FALLBACK)

inline forget() {
  at[me] = NONE; got[me] = 0; ck[me] = 0; ksec[me] = 0; ksef[me] = 0
}

/* After any change of st. */
inline weigh_stored() {
  top[me] = 0; bound[me] = 0;
  for (i : 1 .. candidates) {
    if
    :: HAS(st[me], i) ->
      bound[me] = bound[me] | k_members[i];
      if
      :: top[me] == 0 -> top[me] = i
      :: top[me] != 0 && !OUTRANKS(k_attempt[top[me]], k_attempt[i]) -> top[me] = i
      :: else
      fi
    :: else
    fi
  };
  skip
}

/* An attempt on the chain above begins: that on the normal chain ends. */
inline supersede(x) {
  if
  :: at[me] != NONE && a_chain[at[me]] != a_chain[x] ->
    if
    :: MOVE(SEI, superseded, SE)
    :: MOVE(SEC, superseded, SE)
    :: MOVE(SEF, superseded, SE)
    fi
  :: else
  fi
}

/* Joins attempt `x` with a fresh contribution. */
inline contribute(x) {
  supersede(x);
  forget();
  at[me] = x;
#ifdef BUG_OLD_CONTRIBUTION
  if :: SEIS(x, me) == 0 -> SEIS(x, me) = 1 :: else fi;
#else
  assert(SEIS(x, me) < AGAIN);
  SEIS(x, me)++;
#endif
  HIGH_IN(x, me, SEIS(x, me)) = HIGH(me);
  got[me] = SEIS(x, me) << (3 * me);
  if
  :: a_target[x] > tried[a_chain[x] * N + me] -> tried[a_chain[x] * N + me] = a_target[x]
  :: else
  fi
}

/* Begins an attempt of its own on chain `c`, above all it has tried, derived or stored: t3 is the attempt. */
inline begin(c) {
  t1 = EPOCH(me, c) + 1;
  if :: derived[c * N + me] > t1 -> t1 = derived[c * N + me] :: else fi;
  if :: tried[c * N + me] + 1 > t1 -> t1 = tried[c * N + me] + 1 :: else fi;
  for (i : 1 .. candidates) {
    if
    :: HAS(st[me], i) && K_CHAIN(i) == c && K_TARGET(i) + 1 > t1 -> t1 = K_TARGET(i) + 1
    :: else
    fi
  }
  t3 = 0;
  do
  :: t3 < attempts && !(a_chain[t3] == c && a_base[t3] == BASE(me, c) && a_target[t3] == t1 && a_init[t3] == me) -> t3++
  :: else -> break
  od;
  if
  :: t3 == attempts ->
    printf("attempt %d: chain %d, target %d, initiator %d\n", t3, c, t1, me);
    a_chain[t3] = c; a_base[t3] = BASE(me, c); a_target[t3] = t1; a_init[t3] = me; attempts++
  :: else
  fi;
  contribute(t3)
}

/* t2 = the candidate of attempt `x` for P = `p` from contributions `v`. */
inline candidate(x, p, v) {
  t2 = 1;
  do
  :: t2 <= candidates && !(k_attempt[t2] == x && k_members[t2] == p && k_vector[t2] == v) -> t2++
  :: else -> break
  od;
  if
  :: t2 > candidates ->
    assert(t2 < CANDIDATES); /* else the bounds are too large */
    candidates++;
    k_attempt[t2] = x; k_members[t2] = p; k_vector[t2] = v;
    for (i : 0 .. N - 1) {
      if
      :: HAS(p, i) && HIGH_IN(x, i, OWN(v, i)) > k_high[t2] -> k_high[t2] = HIGH_IN(x, i, OWN(v, i))
      :: else
      fi
    }
  :: else
  fi
}

/* Derives candidate `k` of its attempt, and says SEC. */
inline derive(k) {
  ck[me] = k; got[me] = 0;
  ksec[me] = BIT(me); ksef[me] = 0;
  sec[k] = sec[k] | BIT(me);
  t4 = K_CHAIN(k) * N + me;
  if :: K_TARGET(k) > derived[t4] -> derived[t4] = K_TARGET(k) :: else fi
}

/* From the contributions of all: P is the roster. */
inline derive_of_all() {
  candidate(at[me], ALL, got[me]);
  /* Section 4: nothing recorded opens under a new candidate, since a fresh contribution is in each. */
  assert(!HAS(sec[t2], me));
  derive(t2)
}

#define HERE(v) ((OWN(v, 0) > 0) + 2 * (OWN(v, 1) > 0) IF3(+ 4 * (OWN(v, 2) > 0)) IF4(+ 8 * (OWN(v, 3) > 0)))
#define COUNT(s) (HAS(s, 0) + HAS(s, 1) IF3(+ HAS(s, 2)) IF4(+ HAS(s, 3)))

/* Takes the contribution `c` of member `s`. */
inline take(s, c) {
  got[me] = (got[me] & ~(7 << (3 * (s)))) | ((c) << (3 * (s)))
}

inline store() {
#ifndef BUG_UNSTORED
  st[me] = st[me] | BIT(ck[me]);
  weigh_stored();
#endif
  ksef[me] = ksef[me] | BIT(me);
  sef[ck[me]] = sef[ck[me]] | BIT(me)
}

/* Whoever holds an epoch holds its one key, and all of P can follow. */
inline check_commit(k) {
  for (i : 1 .. candidates) {
    assert(i == k || se[i] == 0 || K_EPOCH(i) != K_EPOCH(k))
  }
  for (i : 0 .. N - 1) {
    assert(nb[i] != nb[me] || ne[i] == ne[me]);
    assert(ne[i] != ne[me] || nb[i] == nb[me]);
    assert(!HAS(k_members[k], i) || HAS(se[k], i) || HAS(st[i], k) || ne[i] > K_EPOCH(k))
  };
  skip
}

inline commit(k) {
  t1 = k; /* `k` may be ck[me] */
  printf("member %d commits candidate %d, epoch %d\n", me, t1, K_EPOCH(t1));
  se[t1] = se[t1] | BIT(me);
  if
  :: K_CHAIN(t1) == NORMAL ->
    nb[me] = t1; ne[me] = K_TARGET(t1);
    for (i : 1 .. candidates) {
      if
      :: HAS(st[me], i) && K_CHAIN(i) == NORMAL ->
        assert(i == t1 || se[i] == 0); /* somebody has committed what is dropped here */
        st[me] = st[me] & ~BIT(i)
      :: else
      fi
    }
  :: else ->
    /* The re-root: the normal chain goes on from E. */
    fb[me] = t1; nb[me] = t1;
#ifdef BUG_OTHER_E
    ne[me] = HIGH(me) + 1;
#else
    assert(k_high[t1] >= ne[me]); /* no epoch twice */
    ne[me] = k_high[t1] + 1;
#endif
    st[me] = 0;
    assert(ne[me] > derived[me]); /* section 4: no sequence number of an epoch begins anew */
    derived[me] = 0
  fi;
  weigh_stored();
  /* A commit of the normal chain does not end an attempt on the fallback chain. */
  if
  :: IN_FALLBACK(me) && K_CHAIN(t1) == NORMAL -> tried[me] = 0
  :: else ->
    tried[me] = 0; tried[N + me] = 0;
    forget()
  fi;
  check_commit(t1)
}

/* After a crash: from the disk, in SEF where a candidate is there. */
inline restart() {
  printf("member %d restarts\n", me);
  forget();
  ph[me] = SE;
  tried[me] = 0; tried[N + me] = 0; derived[me] = 0; derived[N + me] = 0;
  for (i : 1 .. candidates) {
    if
    :: HAS(st[me], i) && K_TARGET(i) > derived[K_CHAIN(i) * N + me] -> derived[K_CHAIN(i) * N + me] = K_TARGET(i)
    :: else
    fi
  }
  t0 = top[me];
  if
  :: t0 > 0 ->
    ph[me] = SEF; at[me] = k_attempt[t0]; ck[me] = t0;
    tried[K_CHAIN(t0) * N + me] = K_TARGET(t0);
    ksec[me] = k_members[t0]; ksef[me] = BIT(me);
    sef[t0] = sef[t0] | BIT(me)
  :: else
  fi
}

#ifdef BUG_CHAINS_APART /* what is stored counts for its own chain only */
#define CHAIN_OF(m) (IN_FALLBACK(m) -> FALLBACK : NORMAL)
#else
#define CHAIN_OF(m) (IN_FALLBACK(m) || top[m] != 0 && K_CHAIN(top[m]) == FALLBACK -> FALLBACK : NORMAL)
#endif
#define MAY_BEGIN(m, c) (c >= CHAIN_OF(m))

/* Begins an attempt. */
inline step_start(c) {
  begin(c);
  if
  :: MOVE(SE, start, SEI)
  :: MOVE(SEI, start, SEI)
  :: MOVE(SEC, start, SEI)
  :: MOVE(SEF, start, SEI)
  fi
}

/* An SEI of attempt x opens here and wins over the attempt that this member is in. */
#define SENT(x, s) (s != me && SEIS(x, s) > 0)
#define WINS(x) (x < attempts && (SENT(x, 0) || SENT(x, 1) IF3(|| SENT(x, 2)) IF4(|| SENT(x, 3))) && \
                 BASE(me, a_chain[x]) == a_base[x] && SEIS(x, me) < AGAIN && (at[me] == NONE || OUTRANKS(x, at[me])))
#ifdef BUG_JOIN_BELOW
#define BELOW_STORED(x) false
#elif defined(BUG_CHAINS_APART)
#define BELOW_STORED(x) (top[me] != 0 && K_CHAIN(top[me]) == a_chain[x] && OUTRANKS(k_attempt[top[me]], x))
#else
#define BELOW_STORED(x) (top[me] != 0 && OUTRANKS(k_attempt[top[me]], x))
#endif
#define BELOW(x) (a_target[x] < derived[a_chain[x] * N + me] || BELOW_STORED(x))

/* ... and is not below what is on the disk: joins. Of two, the contribution that it heard is the last one. */
inline step_join(x) {
  contribute(x);
#if N == 2
  take(1 - me, SEIS(x, 1 - me));
#endif
  if
  :: HERE(got[me]) == ALL ->
    derive_of_all();
    if
    :: MOVE(SE, inform, SEC)
    :: MOVE(SEI, inform, SEC)
    :: MOVE(SEC, inform, SEC)
    :: MOVE(SEF, inform, SEC)
    fi
  :: else ->
    if
    :: MOVE(SE, inform, SEI)
    :: MOVE(SEI, inform, SEI)
    :: MOVE(SEC, inform, SEI)
    :: MOVE(SEF, inform, SEI)
    fi
  fi
}

/* ... and is below: answers with an attempt above. */
inline step_answer_above(x) {
  t0 = CHAIN_OF(me);
  if :: a_chain[x] > t0 -> t0 = a_chain[x] :: else fi;
  begin(t0);
  if
  :: MOVE(SE, inform, SEI)
  :: MOVE(SEI, inform, SEI)
  :: MOVE(SEC, inform, SEI)
  :: MOVE(SEF, inform, SEI)
  fi
}

/* A contribution to the attempt it is in. That of the newest incarnation counts. */
#define CONTRIBUTES(s) (s != me && ph[me] == SEI && SEIS(at[me], s) > OWN(got[me], s))
inline step_gather(s) {
  take(s, SEIS(at[me], s));
  if
  :: HERE(got[me]) == ALL ->
    derive_of_all();
    if :: MOVE(SEI, inform, SEC) fi
  :: else ->
    if :: MOVE(SEI, inform, SEI) fi
  fi
}

/* The initiator closes without some: NNRT has passed, more than half are here, and nobody is left out who may hold what
 * is stored here. */
#define CLOSES (ph[me] == SEI && a_init[at[me]] == me && 2 * COUNT(HERE(got[me])) > N && BINDS(HERE(got[me])))
#ifdef BUG_P_SHRINKS
#define BINDS(p) true
#else
#define BINDS(p) WITHIN(bound[me], p)
#endif
inline step_close() {
  t0 = HERE(got[me]);
  candidate(at[me], t0, got[me]);
  derive(t2);
  if :: MOVE(SEI, close, SEC) fi
}

/* The closing SEI of the attempt it is in: of a star for all, or for another P than that of the candidate here. */
#ifdef STAR
#define CLOSED_FOR(k) true
#else
#define CLOSED_FOR(k) (k_members[k] != ALL)
#endif
#define CLOSED(k) (k <= candidates && a_init[k_attempt[k]] != me && HAS(sec[k], a_init[k_attempt[k]]) && CLOSED_FOR(k))
#define CLOSES_HERE(k) (at[me] != NONE && k_attempt[k] == at[me] && \
                        (ph[me] == SEI || ph[me] == SEC && k_members[k] != k_members[ck[me]]))
#define CLOSING(k) (CLOSED(k) && CLOSES_HERE(k) && HAS(k_members[k], me) && BINDS(k_members[k]))
inline step_closing(k) {
  derive(k);
  ksec[me] = ksec[me] | BIT(a_init[at[me]]);
  if
  :: MOVE(SEI, inform, SEC)
  :: MOVE(SEC, inform, SEC)
  fi
}

/* A closing SEI that leaves this member out, of the attempt it is in or of one that wins. */
#define WITHOUT(k) (CLOSED(k) && !HAS(k_members[k], me) && (CLOSES_HERE(k) || WINS(k_attempt[k]) && !BELOW(k_attempt[k])))
inline step_without(k) {
  if
  :: at[me] != k_attempt[k] -> contribute(k_attempt[k])
  :: else
  fi;
  forget();
  if
  :: MOVE(SE, inform, SE)
  :: MOVE(SEI, inform, SE)
  :: MOVE(SEC, inform, SE)
  :: MOVE(SEF, inform, SE)
  fi
}

#define CONFIRMS(s) (ph[me] == SEC && s != me && HAS(sec[ck[me]], s) && !HAS(ksec[me], s))
inline step_confirm(s) {
  ksec[me] = ksec[me] | BIT(s);
  if
  :: WITHIN(k_members[ck[me]], ksec[me]) ->
#ifdef BUG_COMMIT_ON_SEC
    ph[me] = SE;
    commit(ck[me])
#else
    store();
    if :: MOVE(SEC, confirm, SEF) fi
#endif
  :: else ->
    if :: MOVE(SEC, confirm, SEC) fi
  fi
}

#define FINISHES(s) (ph[me] >= SEC && s != me && HAS(sef[ck[me]], s) && !HAS(ksef[me], s))
inline step_final(s) {
  ksec[me] = k_members[ck[me]];
  ksef[me] = ksef[me] | BIT(me) | BIT(s);
  if
  :: WITHIN(k_members[ck[me]], ksef[me]) ->
    if
    :: MOVE(SEC, final, SE)
    :: MOVE(SEF, final, SE)
    fi;
    commit(ck[me])
  :: else ->
    if
    :: ph[me] == SEC -> store()
    :: else
    fi;
    if
    :: MOVE(SEC, final, SEF)
    :: MOVE(SEF, final, SEF)
    fi
  fi
}

/* SE, or what else is only sent after a commit, under a candidate that is here. */
#define TELLS(k) (k <= candidates && se[k] != 0 && (HAS(st[me], k) || ck[me] == k))
inline step_established_in_phase() {
  if
  :: MOVE(SE, established, SE)
  :: MOVE(SEI, established, SE)
  :: MOVE(SEC, established, SE)
  :: MOVE(SEF, established, SE)
  fi
}
inline step_established(k) {
  if
  :: IN_FALLBACK(me) && K_CHAIN(k) == NORMAL -> skip /* the machine of the normal chain is in SE, and stays there */
  :: else -> step_established_in_phase()
  fi;
  commit(k)
}

/* The third attempt in a row has failed: a pause. */
inline step_give_up() {
  forget();
  if
  :: MOVE(SEI, timeout, SE)
  :: MOVE(SEC, timeout, SE)
  :: MOVE(SEF, timeout, SE)
  fi
}

/* Who begins when nothing else happens: where one has been left behind, the last of those, on the fallback chain; else
 * the lowest index. */
#define LAST(m) (ne[m] <= ne[0] && ne[m] <= ne[1] IF3(&& ne[m] <= ne[2]) IF4(&& ne[m] <= ne[3]))
#define TURN(m) (SAME_KEYS -> m == 0 : LAST(m))
#define TURN_CHAIN(m) (SAME_KEYS -> CHAIN_OF(m) : FALLBACK)
#ifdef BUG_NO_RETRY
#define RETRIES false
#else
#define RETRIES true
#endif
#define STUCK (timeout && quiet)
/* Left behind on both chains: the failsafe chain, or a new generation. Only where P was not all. */
#ifdef QUORUM
#define LOST (!SAME_FALLBACK)
#else
#define LOST false
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
#define LEFT(k) (IN_FALLBACK(me) && K_CHAIN(k) == NORMAL)
#else
#define LEFT(k) (k != ck[me])
#endif
#define FOR_LEFT(k) \
  :: d_step { k <= candidates && HAS(st[me], k) && LEFT(k) && WITHIN(k_members[k], sef[k]) -> \
      if :: !IN_FALLBACK(me) -> ph[me] = SE :: else fi; commit(k) }

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
  :: d_step { !quiet && starts < STARTS -> starts++; step_start(FALLBACK) }
#endif
  :: d_step { !quiet && giveups < GIVEUPS && ph[me] != SE -> giveups++; step_give_up() }
  :: d_step { !quiet && crashes < CRASHES && (ph[me] != SE || tried[me] + tried[N + me] > 0) -> crashes++; restart() }
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
