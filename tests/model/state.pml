/* What members and the network hold (establishment.pml). */
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
#define FAILSAFE_CHAIN 2
#ifdef FAILSAFE
#define CHAINS 3
#else
#define CHAINS 2
#endif
#define NONE 255
#define MAX(a, b) (a > b -> a : b)

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

/* Durable: normal key and its epoch, fallback key, stored candidates, and the candidate that has used up the
 * failsafe chain. Key 0 is that of the install, at epoch 1.
 * Of the stored ones, for guards: the highest (0 for none), and all their members. */
byte nb[N], ne[N], fb[N], top[N], bound[N];
short st[N];
#ifdef FAILSAFE
byte fs[N];
#define SPENT(m) fs[m]
#else
#define SPENT(m) 0
#endif
/* Lost in a crash: phase, attempt, contributions here, candidate, who is known to be in SEC and in SEF, highest target
 * tried since the last commit and highest one derived, by chain. */
short got[N];
byte ph[N], at[N], ck[N], ksec[N], ksef[N], tried[CHAINS * N], derived[CHAINS * N];

#ifdef FAILSAFE
#define TRIED(m) (tried[m] + tried[N + m] + tried[2 * N + m])
#else
#define TRIED(m) (tried[m] + tried[N + m])
#endif

byte starts = 0, quiet_starts = 0, crashes = 0, giveups = 0;
bool quiet = false;

hidden byte t0, t1, t2, t3, t4; /* of one step */
hidden byte i;

#define BASE(m, c) (c == NORMAL -> nb[m] : (c == FALLBACK -> fb[m] : SPENT(m)))
#define FALLBACK_EPOCH(m) (fb[m] == 0 -> 1 : (K_CHAIN(fb[m]) == FALLBACK -> K_TARGET(fb[m]) : K_EPOCH(fb[m])))
#define EPOCH(m, c) (c == NORMAL -> ne[m] : (c == FALLBACK -> FALLBACK_EPOCH(m) : 1))

/* The order of attempts: chain, then target, then the lower initiator. */
#define OUTRANKS(x, y) (a_chain[x] > a_chain[y] || (a_chain[x] == a_chain[y] && \
                        (a_target[x] > a_target[y] || (a_target[x] == a_target[y] && a_init[x] < a_init[y]))))

/* What is told as the high epoch. */
#ifdef BUG_HIGH_IS_COMMITTED
#define HIGH(m) ne[m]
#elif defined(BUG_HIGH_OF_NORMAL)
#define HIGH(m) MAX(derived[m], ne[m])
#else
#define HIGH(m) MAX(MAX(derived[m], ne[m]), MAX(derived[N + m], FALLBACK_EPOCH(m)))
#endif

#define SAME_KEYS (nb[0] == nb[1] && ne[0] == ne[1] IF3(&& nb[0] == nb[2] && ne[0] == ne[2]) \
                   IF4(&& nb[0] == nb[3] && ne[0] == ne[3]))
#define SAME_FALLBACK (fb[0] == fb[1] IF3(&& fb[0] == fb[2]) IF4(&& fb[0] == fb[3]))
#define IDLE (ph[0] == SE && ph[1] == SE IF3(&& ph[2] == SE) IF4(&& ph[3] == SE))
#ifdef FAILSAFE
#define AGREED (SAME_KEYS && SAME_FALLBACK && IDLE)
#else
#define AGREED (SAME_KEYS && IDLE)
#endif
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

/* The chain of the attempt that it is in, and of the highest candidate that it has stored. */
#define AT_CHAIN(m) (at[m] == NONE -> NORMAL : a_chain[at[m]])
#define TOP_CHAIN(m) (top[m] == 0 -> NORMAL : K_CHAIN(top[m]))
