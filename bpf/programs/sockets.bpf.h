/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* D24, D25 and the audit rules of D30: sockets that read keys of kernel consumers, or packets of others. */
#ifndef AKM_SOCKETS_BPF_H
#define AKM_SOCKETS_BPF_H

#define AF_KEY 15
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_INET 2
#define AF_INET6 10
#define SOCK_RAW 3
#define SOCK_TYPE_MASK 0xf
#define NETLINK_XFRM 6
#define NETLINK_AUDIT 9
#define NETLINK_GENERIC 16

static __always_inline __u8 watch_of_socket(int family, int type, int protocol) {
  if (family == AF_KEY || (family == AF_NETLINK && protocol == NETLINK_XFRM)) return AKM_WATCH_CONSUMER_KEYS;
  if (family == AF_PACKET) return AKM_WATCH_PACKET;
  if ((family == AF_INET || family == AF_INET6) && (type & SOCK_TYPE_MASK) == SOCK_RAW)
    return AKM_WATCH_PACKET;
  return 0;
}

static __always_inline __u64 socket_argument(int family, int type, int protocol) {
  return (__u64)(__u32)family << 32 | (__u64)(type & SOCK_TYPE_MASK) << 16 | (__u64)(protocol & 0xffff);
}

static __always_inline void judge_socket(int family, int type, int protocol, __u8 outcome, __u8 tier) {
  __u8 watch = watch_of_socket(family, type, protocol);
  if (watch && !is_ours())
    send_event(watch, AKM_OP_SOCKET, outcome, tier, socket_argument(family, type, protocol));
}

SEC("tracepoint")
int enter_socket(struct akm_sys_enter* call) {
  int family = (int)call->args[0];
  int type = (int)call->args[1];
  int protocol = (int)call->args[2];
  __u8 watch = watch_of_socket(family, type, protocol);
  if (watch) hold_call(watch, AKM_OP_SOCKET, socket_argument(family, type, protocol), 0);
  return 0;
}

static __always_inline int judge_new_socket(unsigned long long* context, __u8 tier) {
  int family = (int)context[0];
  int type = (int)context[1];
  int protocol = (int)context[2];
  int result = (int)context[4];
  __u8 watch = watch_of_socket(family, type, protocol);
  /* A kernel socket is nobody's wish; netlink sockets are judged by what is asked over them. */
  if (result || context[3] || !watch || family == AF_NETLINK || is_ours()) return result;
  return judge(tier, watch, AKM_OP_SOCKET, socket_argument(family, type, protocol), 0, 0);
}

enum { XFRM_GETSA = 0x12, WIREGUARD_GET_DEVICE = 0, AUDIT_SET = 1001, AUDIT_DEL_RULE = 1012 };

/* struct nlmsghdr, and the command of a generic message behind it. */
struct akm_netlink_header {
  __u32 length;
  __u16 type;
  __u16 flags;
  __u32 sequence;
  __u32 port;
  __u8 command;
};
#define NETLINK_HEADER_BYTES 16
#define NETLINK_MESSAGES 8 /* of one send; who sends more at once is told for that */

static __always_inline int asks_for_it(__u16 protocol, const struct akm_netlink_header* header,
                                       const struct akm_control* own) {
  if (protocol == NETLINK_AUDIT) return header->type == AUDIT_SET || header->type == AUDIT_DEL_RULE;
  if (protocol == NETLINK_XFRM) return header->type == XFRM_GETSA;
  return own->wireguard_family && header->type == own->wireguard_family &&
         header->command == WIREGUARD_GET_DEVICE;
}

static __always_inline int judge_netlink(unsigned long long* context, __u8 tier) {
  struct sock* sock = (struct sock*)context[0];
  struct sk_buff* buffer = (struct sk_buff*)context[1];
  int result = (int)context[2];
  struct akm_control* own = get_control();
  struct akm_netlink_header header = {};
  int found = 0;
  if (result || !own) return result;
  __u16 protocol = BPF_CORE_READ(sock, sk_protocol);
  if (protocol != NETLINK_XFRM && protocol != NETLINK_GENERIC && protocol != NETLINK_AUDIT) return 0;
  const unsigned char* data = BPF_CORE_READ(buffer, data);
  __u32 length = BPF_CORE_READ(buffer, len);
  __u32 at = 0;
  for (int i = 0; i <= NETLINK_MESSAGES && at + NETLINK_HEADER_BYTES <= length; ++i) {
    bpf_probe_read_kernel(&header, NETLINK_HEADER_BYTES + 1, data + at);
    found = i == NETLINK_MESSAGES || asks_for_it(protocol, &header, own);
    if (found || header.length < NETLINK_HEADER_BYTES || header.length > length) break;
    at += (header.length + 3) & ~3u;
  }
  if (!found || is_ours()) return 0;
  if (protocol == NETLINK_AUDIT) return judge(tier, AKM_WATCH_LOG, AKM_OP_LOG, header.type, 0, 0);
  return judge(tier, AKM_WATCH_CONSUMER_KEYS, AKM_OP_NETLINK, (__u64)protocol << 16 | header.type, 0, 0);
}

AKM_GUARD(socket, "socket_create", judge_new_socket)
AKM_GUARD(netlink, "netlink_send", judge_netlink)

#endif
