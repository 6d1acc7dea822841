/* What is stored, committed and found again after a restart (establishment.pml). */
inline store() {
#ifndef BUG_UNSTORED
  st[me] = st[me] | BIT(ck[me]);
  weigh_stored();
#endif
#ifdef BUG_SPENT_EARLY
  if :: K_CHAIN(ck[me]) == FAILSAFE_CHAIN -> SPENT(me) = ck[me] :: else fi;
#endif
  ksef[me] = ksef[me] | BIT(me);
  sef[ck[me]] = sef[ck[me]] | BIT(me)
}

/* Whoever holds an epoch holds its one key, all of P can follow, and the failsafe chain is used once. */
inline check_commit(k) {
  for (i : 1 .. candidates) {
    assert(i == k || se[i] == 0 || K_EPOCH(i) != K_EPOCH(k));
    assert(i == k || se[i] == 0 || K_CHAIN(i) != FAILSAFE_CHAIN || K_CHAIN(k) != FAILSAFE_CHAIN)
  }
  for (i : 0 .. N - 1) {
    assert(nb[i] != nb[me] || ne[i] == ne[me]);
    assert(ne[i] != ne[me] || nb[i] == nb[me]);
    assert(FALLBACK_EPOCH(i) != FALLBACK_EPOCH(me) || fb[i] == fb[me]);
    assert(!HAS(k_members[k], i) || HAS(se[k], i) || HAS(st[i], k) || ne[i] > K_EPOCH(k))
  };
  skip
}

/* Of its own chain and below; above, what the chain below has passed and would be led back by. */
inline drop_stored() {
  for (i : 1 .. candidates) {
    if
    :: HAS(st[me], i) && (K_CHAIN(i) <= K_CHAIN(t1) || K_EPOCH(i) <= ne[me]) ->
      assert(i == t1 || se[i] == 0 || K_CHAIN(i) < K_CHAIN(t1)); /* somebody has committed what is dropped here */
      st[me] = st[me] & ~BIT(i)
    :: else
    fi
  }
}

/* The normal chain goes on from E, and after the failsafe chain the fallback chain does. */
inline reroot() {
#ifdef BUG_OTHER_E
  ne[me] = HIGH(me) + 1;
#else
  assert(k_high[t1] >= ne[me]); /* no epoch twice */
  ne[me] = k_high[t1] + 1;
#endif
  assert(ne[me] > derived[me]); /* section 4: no sequence number of an epoch begins anew */
  nb[me] = t1; derived[me] = 0;
  if
  :: K_CHAIN(t1) == FALLBACK -> fb[me] = t1
#ifdef FAILSAFE
  :: else ->
#ifndef BUG_FALLBACK_KEPT
    assert(K_EPOCH(t1) > FALLBACK_EPOCH(me) && K_EPOCH(t1) > derived[N + me]);
    fb[me] = t1; derived[N + me] = 0;
#endif
#ifndef BUG_FAILSAFE_KEPT
    SPENT(me) = t1
#endif
#endif
  fi
}

inline commit(k) {
  t1 = k; /* `k` may be ck[me] */
  printf("member %d commits candidate %d, epoch %d\n", me, t1, K_EPOCH(t1));
  se[t1] = se[t1] | BIT(me);
  if
  :: K_CHAIN(t1) == NORMAL -> nb[me] = t1; ne[me] = K_TARGET(t1)
  :: else -> reroot()
  fi;
  drop_stored();
  weigh_stored();
  /* A commit does not end an attempt on a chain above. */
  for (i : 0 .. CHAINS - 1) {
    if :: AT_CHAIN(me) <= K_CHAIN(t1) || i <= K_CHAIN(t1) -> tried[i * N + me] = 0 :: else fi
  }
  if :: AT_CHAIN(me) <= K_CHAIN(t1) -> forget() :: else fi;
  check_commit(t1)
}

/* After a crash: from the disk, in SEF where a candidate is there. */
inline restart() {
  printf("member %d restarts\n", me);
  forget();
  ph[me] = SE;
  for (i : 0 .. CHAINS - 1) {
    tried[i * N + me] = 0; derived[i * N + me] = 0
  }
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
