/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the gate's programs (akm_gate.bpf.c) and its loader share: map keys, settings, counters. Included by
 * both sides as C; the sizes are asserted on both, so that neither can change alone. */
#ifndef AKM_GATE_H
#define AKM_GATE_H

#ifndef AKM_BPF_SIDE
#include <linux/types.h>
#endif

/* docs/protocol.md, section 4. */
#define AKM_GATE_FRAME_LEAST 52 /* header and tag */
#define AKM_GATE_HEADER_SEEN 16 /* up to the end of asr_id */
#define AKM_GATE_VERSION 1
#define AKM_GATE_TYPE_MOST 3
#define AKM_GATE_CHAIN_MOST 2

#define AKM_GATE_MAX_IDS 65536     /* bound of the setting; an engine holds fewer */
#define AKM_GATE_MAX_TARGETS 1024  /* own addresses and groups */
#define AKM_GATE_MAX_VOUCHED 65536 /* sources; those used longest ago make room */
#define AKM_GATE_MAX_SOURCES 16384 /* token buckets of the others */
#define AKM_GATE_MAX_SCANS 4096    /* sources of one window */

/* Why a datagram to the AKM port went which way. */
enum akm_gate_way {
  AKM_GATE_PASSED_VOUCHED = 0,  /* of a source whose frames have authenticated, or of the roster */
  AKM_GATE_PASSED_OTHER = 1,    /* of another one, within its rate */
  AKM_GATE_PASSED_FRAGMENT = 2, /* the first fragment; the others have no port */
  AKM_GATE_PASSED_UNREAD = 3,   /* its header is not in the first buffer */
  AKM_GATE_PASSED_OPEN = 4,     /* the daemon does not answer for the gate: it stands open */
  AKM_GATE_DROPPED_SHORT = 5,   /* shorter than any frame */
  AKM_GATE_DROPPED_FORM = 6,    /* version, type or chain that no frame has */
  AKM_GATE_DROPPED_ASR = 7,     /* an asr_id that is not known */
  AKM_GATE_DROPPED_LATE = 8,    /* the same, of a vouched source: it speaks of what we have erased */
  AKM_GATE_DROPPED_SOURCE = 9,  /* over the rate of its source */
  AKM_GATE_DROPPED_TOTAL = 10,  /* over the rate of all sources that are not vouched for */
  AKM_GATE_WAYS = 11,
};

/* An address and a UDP port in network order; IPv4 in its mapped form (RFC 4291, 2.5.5.2). */
struct akm_gate_endpoint {
  __u8 address[16];
  __u16 port;
  __u16 zero;
};

/* What one source tried within a window: a bit for each of 64 hash classes, so that the number of bits is at
 * most the number of different ones. */
struct akm_gate_scan {
  __u64 ports; /* of TCP connections to our addresses */
  __u64 asrs;  /* unknown asr_ids at the AKM port */
  __u64 packets;
};

/* Buckets hold no tokens but the time at which they are full again (GCRA): one word, changed by
 * compare-and-swap. */
struct akm_gate_rate {
  __u64 each_ns;  /* a frame's share */
  __u64 burst_ns; /* as much may be ahead */
};

/* What the loader changes while the programs run. */
struct akm_gate_state {
  __u64 answered_until_ns; /* CLOCK_MONOTONIC: after it nothing is dropped */
  __u64 total_full_at_ns;  /* the bucket of all sources that are not vouched for */
  __u32 ids_complete;      /* 0: not all known ids had room, so none is unknown */
  __u32 zero;
};

#ifdef __cplusplus
#define AKM_GATE_ASSERT(condition, text) static_assert(condition, text)
#else
#define AKM_GATE_ASSERT(condition, text) _Static_assert(condition, text)
#endif
AKM_GATE_ASSERT(sizeof(struct akm_gate_endpoint) == 20, "endpoint");
AKM_GATE_ASSERT(sizeof(struct akm_gate_scan) == 24, "scan");
AKM_GATE_ASSERT(sizeof(struct akm_gate_rate) == 16, "rate");
AKM_GATE_ASSERT(sizeof(struct akm_gate_state) == 24, "state");

#endif
