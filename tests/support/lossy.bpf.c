// A link that loses one datagram in ten (this kernel has no netem). For `tc filter ... bpf da`.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#define ONE_IN_TEN 429496730u  // of 2^32
#define ETHERNET_IPV4 8        // 0x0800 in network order: ARP is not lost, which would only cost time

SEC("classifier")
int lose(struct __sk_buff* skb) {
  return skb->protocol == ETHERNET_IPV4 && bpf_get_prandom_u32() < ONE_IN_TEN ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "Dual BSD/GPL";
