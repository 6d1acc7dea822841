/* The steps of transition_table.h: when each may be taken, and what it does (establishment.pml). */
#ifdef BUG_CHAINS_APART /* what is stored counts for its own chain only */
#define CHAIN_OF(m) AT_CHAIN(m)
#else
#define CHAIN_OF(m) MAX(AT_CHAIN(m), TOP_CHAIN(m))
#endif
#define MAY_BEGIN(m, c) (c >= CHAIN_OF(m) && (c != FAILSAFE_CHAIN || SPENT(m) == 0))

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
  :: AT_CHAIN(me) > K_CHAIN(k) -> skip /* the machine of that chain is in SE, and stays there */
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
