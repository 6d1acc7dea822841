/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The gate on the AKM port (docs/detections.md, "Gate"): drops what cannot be a frame of ours before it costs
 * a socket buffer and a wake-up, and counts what scans. One judgement, hung as XDP or as a classifier.
 * What is not understood passes: the engine judges again, and the gate is no authority. */
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "bpf/include/akm_gate.h"

#define AKM_VLAN_TAGS 2
#define AKM_IPV6_HEADERS 6 /* extension headers before UDP that are read */
#define AKM_BUCKET_TRIES 4 /* other processors change the same bucket */
#define AKM_FRAGMENT_OFFSET 0x1fff
#define AKM_FRAGMENT_MORE 0x2000
#define AKM_HOP_BY_HOP 0
#define AKM_ROUTING 43
#define AKM_DESTINATION 60
#define AKM_FRAGMENT 44
#define AKM_LINEAR_WANTED 128 /* headers of all layers, nearly always */

/* Set before the load. */
const volatile __u16 listen_port = 0; /* network order */
const volatile struct akm_gate_rate source_rate = {};
const volatile struct akm_gate_rate total_rate = {};

struct akm_gate_state state = {};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, AKM_GATE_MAX_IDS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64); /* asr_id as on the wire */
  __type(value, __u8);
} known_ids SEC(".maps");

/* Our own addresses with the port, and the groups with theirs: what goes elsewhere is none of ours. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, AKM_GATE_MAX_TARGETS);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct akm_gate_endpoint);
  __type(value, __u8);
} targets SEC(".maps");

/* Value: until when, CLOCK_MONOTONIC. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, AKM_GATE_MAX_VOUCHED);
  __type(key, struct akm_gate_endpoint);
  __type(value, __u64);
} vouched SEC(".maps");

/* By source (read_source). Value: when the bucket is full again. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, AKM_GATE_MAX_SOURCES);
  __type(key, struct akm_gate_endpoint);
  __type(value, __u64);
} buckets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, AKM_GATE_MAX_SCANS);
  __type(key, struct akm_gate_endpoint);
  __type(value, struct akm_gate_scan);
} scans SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, AKM_GATE_WAYS);
  __type(key, __u32);
  __type(value, __u64);
} ways SEC(".maps");

/* What of a packet is judged. */
struct packet {
  void* at; /* the header to be read next */
  void* end;
  struct akm_gate_endpoint from;
  struct akm_gate_endpoint to;
  __u8 protocol;
  __u8 fragment; /* the first one */
  __u8 ipv6;
};

enum { LOOK_ELSEWHERE = 0, LOOK_FURTHER = 1 };

static __always_inline void count(__u32 way) {
  __u64* counter = bpf_map_lookup_elem(&ways, &way);
  if (counter) *counter += 1;
}

static __always_inline void map_ipv4(__u8* out, __u32 address) {
  out[10] = out[11] = 0xff;
  __builtin_memcpy(out + 12, &address, sizeof(address));
}

static __always_inline int read_ipv4(struct packet* packet) {
  struct iphdr* ip = packet->at;
  if ((void*)(ip + 1) > packet->end || ip->version != 4 || ip->ihl < 5) return LOOK_ELSEWHERE;
  const __u16 fragment = bpf_ntohs(ip->frag_off);
  if (fragment & AKM_FRAGMENT_OFFSET) return LOOK_ELSEWHERE;
  packet->fragment = (fragment & AKM_FRAGMENT_MORE) != 0;
  packet->protocol = ip->protocol;
  map_ipv4(packet->from.address, ip->saddr);
  map_ipv4(packet->to.address, ip->daddr);
  packet->at += ip->ihl * 4;
  return LOOK_FURTHER;
}

static __always_inline int read_ipv6(struct packet* packet) {
  struct ipv6hdr* ip = packet->at;
  if ((void*)(ip + 1) > packet->end || ip->version != 6) return LOOK_ELSEWHERE;
  __builtin_memcpy(packet->from.address, &ip->saddr, sizeof(packet->from.address));
  __builtin_memcpy(packet->to.address, &ip->daddr, sizeof(packet->to.address));
  packet->protocol = ip->nexthdr;
  packet->ipv6 = 1;
  packet->at = ip + 1;
#pragma unroll
  for (int i = 0; i < AKM_IPV6_HEADERS; ++i) {
    __u8* header = packet->at;
    if (packet->protocol == AKM_FRAGMENT) {
      if ((void*)(header + 8) > packet->end) return LOOK_ELSEWHERE;
      const __u16 fragment = (__u16)(header[2] << 8 | header[3]);
      if (fragment & 0xfff8) return LOOK_ELSEWHERE;
      packet->fragment = fragment & 1;
      packet->protocol = header[0];
      packet->at = header + 8;
    } else if (packet->protocol == AKM_HOP_BY_HOP || packet->protocol == AKM_ROUTING ||
               packet->protocol == AKM_DESTINATION) {
      if ((void*)(header + 8) > packet->end) return LOOK_ELSEWHERE;
      packet->protocol = header[0];
      packet->at = header + 8 + header[1] * 8;
    } else {
      break;
    }
  }
  return LOOK_FURTHER;
}

static __always_inline int read_network(struct packet* packet, __u16 protocol) {
  if (protocol == bpf_htons(ETH_P_IP)) return read_ipv4(packet);
  if (protocol == bpf_htons(ETH_P_IPV6)) return read_ipv6(packet);
  return LOOK_ELSEWHERE;
}

/* From the Ethernet header on, through at most two VLAN tags that the device has left in the packet. */
static __always_inline int read_ethernet(struct packet* packet) {
  struct ethhdr* ethernet = packet->at;
  if ((void*)(ethernet + 1) > packet->end) return LOOK_ELSEWHERE;
  __u16 protocol = ethernet->h_proto;
  packet->at = ethernet + 1;
#pragma unroll
  for (int i = 0; i < AKM_VLAN_TAGS; ++i) {
    if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD)) break;
    __u16* tag = packet->at;
    if ((void*)(tag + 2) > packet->end) return LOOK_ELSEWHERE;
    protocol = tag[1];
    packet->at = tag + 2;
  }
  return read_network(packet, protocol);
}

/* Who is counted as one: an address, of IPv6 its /64, which is what one host has at the least. */
static __always_inline void read_source(const struct packet* packet, struct akm_gate_endpoint* out) {
  *out = packet->from;
  out->port = 0;
  if (packet->ipv6) __builtin_memset(out->address + 8, 0, 8);
}

/* One more of a source: sets the bit of `what`. The multiplier is that of Fibonacci hashing. */
static __always_inline void note_try(const struct packet* packet, __u64 what, int is_port) {
  struct akm_gate_endpoint key;
  read_source(packet, &key);
  const __u64 bit = 1ull << ((what * 0x9e3779b97f4a7c15ull) >> 58);
  struct akm_gate_scan* known = bpf_map_lookup_elem(&scans, &key);
  if (!known) {
    const struct akm_gate_scan first = {.ports = is_port ? bit : 0, .asrs = is_port ? 0 : bit, .packets = 1};
    bpf_map_update_elem(&scans, &key, &first, BPF_ANY);
    return;
  }
  __u64* bits = is_port ? &known->ports : &known->asrs;
  if (!(*bits & bit)) __sync_fetch_and_or(bits, bit);
  __sync_fetch_and_add(&known->packets, 1);
}

/* Takes one token; 0: there is none. A bucket that others change all the time is one of a flood. */
static __always_inline int take_token(__u64* full_at, __u64 now, const volatile struct akm_gate_rate* rate) {
  for (int i = 0; i < AKM_BUCKET_TRIES; ++i) {
    const __u64 seen = *(volatile __u64*)full_at;
    const __u64 next = (seen > now ? seen : now) + rate->each_ns;
    if (next - now > rate->burst_ns) return 0;
    if (__sync_val_compare_and_swap(full_at, seen, next) == seen) return 1;
  }
  return 0;
}

static __always_inline int within_source_rate(const struct packet* packet, __u64 now) {
  struct akm_gate_endpoint key;
  read_source(packet, &key);
  __u64* full_at = bpf_map_lookup_elem(&buckets, &key);
  if (full_at) return take_token(full_at, now, &source_rate);
  const __u64 first = now + source_rate.each_ns;
  bpf_map_update_elem(&buckets, &key, &first, BPF_ANY);
  return 1;
}

static __always_inline int is_vouched(const struct packet* packet, __u64 now) {
  const __u64* until = bpf_map_lookup_elem(&vouched, &packet->from);
  return until && now < *until;
}

/* The frame's header, cheapest check first. `room`: bytes of the datagram. */
static __always_inline __u32 judge_frame(const struct packet* packet, __u32 room, __u64 now) {
  const __u8* frame = packet->at;
  if (room < AKM_GATE_FRAME_LEAST) return AKM_GATE_DROPPED_SHORT;
  if ((void*)(frame + AKM_GATE_HEADER_SEEN) > packet->end) return AKM_GATE_PASSED_UNREAD;
  const __u8 type = frame[0] & 0xf;
  if (frame[0] >> 4 != AKM_GATE_VERSION || type == 0 || type > AKM_GATE_TYPE_MOST ||
      frame[1] > AKM_GATE_CHAIN_MOST) {
    return AKM_GATE_DROPPED_FORM;
  }
  __u64 asr_id = 0;
  __builtin_memcpy(&asr_id, frame + 8, sizeof(asr_id));
  const int known = bpf_map_lookup_elem(&known_ids, &asr_id) != 0;
  const int vouched_for = is_vouched(packet, now);
  if (!known && state.ids_complete) {
    if (vouched_for) return AKM_GATE_DROPPED_LATE;
    note_try(packet, asr_id, 0);
    return AKM_GATE_DROPPED_ASR;
  }
  if (vouched_for) return AKM_GATE_PASSED_VOUCHED;
  /* The source's own bucket first: one source must not use up what is there for all. */
  if (!within_source_rate(packet, now)) return AKM_GATE_DROPPED_SOURCE;
  if (!take_token(&state.total_full_at_ns, now, &total_rate)) return AKM_GATE_DROPPED_TOTAL;
  return AKM_GATE_PASSED_OTHER;
}

/* 1: drop it. */
static __always_inline int judge_udp(struct packet* packet) {
  struct udphdr* udp = packet->at;
  if ((void*)(udp + 1) > packet->end) return 0;
  const int to_group = packet->to.address[0] == 0xff || (packet->to.address[12] & 0xf0) == 0xe0;
  if (udp->dest != listen_port && !to_group) return 0;
  packet->to.port = udp->dest;
  if (!bpf_map_lookup_elem(&targets, &packet->to)) return 0;
  packet->from.port = udp->source;
  const __u64 now = bpf_ktime_get_ns();
  __u32 way = AKM_GATE_PASSED_OPEN;
  if (now < *(volatile __u64*)&state.answered_until_ns) {
    const __u32 length = bpf_ntohs(udp->len);
    packet->at = udp + 1;
    way = packet->fragment
              ? AKM_GATE_PASSED_FRAGMENT
              : judge_frame(packet, length < sizeof(*udp) ? 0 : length - (__u32)sizeof(*udp), now);
  }
  count(way);
  return way >= AKM_GATE_DROPPED_SHORT;
}

/* Who knocks at many ports of ours. Never dropped: it is not our traffic. */
static __always_inline void watch_tcp(struct packet* packet) {
  struct tcphdr* tcp = packet->at;
  if ((void*)(tcp + 1) > packet->end || !tcp->syn || tcp->ack) return;
  packet->to.port = listen_port;
  if (!bpf_map_lookup_elem(&targets, &packet->to)) return;
  note_try(packet, tcp->dest, 1);
}

static __always_inline int judge(struct packet* packet) {
  if (packet->protocol == IPPROTO_UDP) return judge_udp(packet);
  if (packet->protocol == IPPROTO_TCP && !packet->fragment) watch_tcp(packet);
  return 0;
}

SEC("xdp")
int gate_xdp(struct xdp_md* context) {
  struct packet packet = {.at = (void*)(long)context->data, .end = (void*)(long)context->data_end};
  return read_ethernet(&packet) == LOOK_FURTHER && judge(&packet) ? XDP_DROP : XDP_PASS;
}

/* Headers that are in page fragments are pulled up; the device's VLAN tag is out of the packet already. */
static __always_inline void open_buffer(struct __sk_buff* buffer, struct packet* packet) {
  const __u32 wanted = buffer->len < AKM_LINEAR_WANTED ? buffer->len : AKM_LINEAR_WANTED;
  if ((void*)(long)buffer->data + wanted > (void*)(long)buffer->data_end)
    (void)bpf_skb_pull_data(buffer, wanted);
  packet->at = (void*)(long)buffer->data;
  packet->end = (void*)(long)buffer->data_end;
}

SEC("tc")
int gate_tc(struct __sk_buff* buffer) {
  struct packet packet = {};
  open_buffer(buffer, &packet);
  return read_ethernet(&packet) == LOOK_FURTHER && judge(&packet) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

/* Of devices without a link layer (tun, WireGuard, ppp). */
SEC("tc")
int gate_tc_network(struct __sk_buff* buffer) {
  struct packet packet = {};
  open_buffer(buffer, &packet);
  return read_network(&packet, (__u16)buffer->protocol) == LOOK_FURTHER && judge(&packet) ? TC_ACT_SHOT
                                                                                          : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
