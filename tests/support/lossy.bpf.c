// A link that loses one datagram in ten (this kernel has no netem). For `tc filter ... bpf da pinned`.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define ONE_IN_TEN 429496730u  // of 2^32
#define ETHERNET_IPV4 8        // 0x0800 in network order: ARP is not lost, which would only cost time

// Of all links. Counted here, for any other count begins at another time, and takes a run of datagrams for
// one or for many.
__u64 sent = 0;
__u64 lost = 0;

SEC("classifier")
int lose(struct __sk_buff* skb) {
  if (skb->protocol != ETHERNET_IPV4) return TC_ACT_UNSPEC;
  __sync_fetch_and_add(&sent, 1);
  if (bpf_get_prandom_u32() >= ONE_IN_TEN) return TC_ACT_UNSPEC;
  __sync_fetch_and_add(&lost, 1);
  return TC_ACT_SHOT;
}

char _license[] SEC("license") = "Dual BSD/GPL";
