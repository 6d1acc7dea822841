/* How an attempt begins, who joins it, and how a candidate is derived (establishment.pml). */
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
