#pragma once
// Packets for the gate, and its programs with the tables of one daemon, run by BPF_PROG_TEST_RUN.
#include <bpf/bpf.h>
#include <endian.h>
#include <net/ethernet.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

// The skeleton needs its types.
// clang-format off
#include "bpf/include/akm_gate.h"
#include "akm_gate.skel.h"
// clang-format on

namespace akm::bpf::test {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kPort = 7400;
constexpr std::uint64_t kKnown = 0x1122334455667788;
constexpr std::uint32_t kUs = 0x0a090001;    // 10.9.0.1
constexpr std::uint32_t kPeer = 0x0a090002;  // vouched for, with port 7400
constexpr std::uint32_t kGroup = 0xef010203;
constexpr std::uint8_t kDestinationOptions = 60;

inline void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

inline void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

/// What a packet is made of; the defaults are a frame of a stranger.
struct Packet {
  std::uint32_t from = 0x0a090009;
  std::uint32_t to = kUs;
  std::uint16_t from_port = 4000;
  std::uint16_t to_port = kPort;
  bool ipv6 = false;
  unsigned tags = 0;
  unsigned options = 0;       // words of IPv4 options, or IPv6 extension headers
  unsigned fragment = 0;      // IPv4 fragment field
  std::uint8_t first = 0x11;  // version and type
  std::uint8_t chain = 0;
  std::uint64_t asr_id = kKnown;
  std::size_t size = 60;  // of the datagram
  bool syn = false;       // TCP instead
  bool ack = false;
};

inline void put_address6(Bytes& out, std::uint32_t address) {
  put32(out, 0x20010db8);
  put32(out, 0);
  put32(out, 0);
  put32(out, address);
}

inline void put_ip(Bytes& out, const Packet& one, std::size_t payload) {
  const auto protocol = static_cast<std::uint8_t>(one.syn ? 6 : 17);
  if (one.ipv6) {
    put32(out, 0x60000000);
    put16(out, static_cast<unsigned>(payload + std::size_t{8} * one.options));
    out.push_back(one.options > 0 ? kDestinationOptions : protocol);
    out.push_back(64);
    put_address6(out, one.from);
    put_address6(out, one.to);
    for (unsigned i = 0; i < one.options; ++i) {
      out.push_back(i + 1 < one.options ? kDestinationOptions : protocol);
      out.insert(out.end(), {0, 1, 4, 0, 0, 0, 0});
    }
    return;
  }
  out.push_back(static_cast<std::uint8_t>(0x45 + one.options));
  out.push_back(0);
  put16(out, static_cast<unsigned>(20 + std::size_t{4} * one.options + payload));
  put16(out, 1);
  put16(out, one.fragment);
  out.insert(out.end(), {64, protocol, 0, 0});
  put32(out, one.from);
  put32(out, one.to);
  out.resize(out.size() + std::size_t{4} * one.options, 1);
}

inline Bytes bytes_of(const Packet& one) {
  Bytes out(12, 2);
  for (unsigned i = 0; i < one.tags; ++i) {
    put16(out, i + 1 < one.tags ? 0x88a8 : ETHERTYPE_VLAN);
    put16(out, 100 + i);
  }
  put16(out, one.ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
  put_ip(out, one, one.syn ? 20 : 8 + one.size);
  put16(out, one.from_port);
  put16(out, one.to_port);
  if (one.syn) {
    out.insert(out.end(), {0, 0, 0, 1, 0, 0, 0, 0, 0x50, static_cast<std::uint8_t>(one.ack ? 0x12 : 2), 0, 0,
                           0, 0, 0, 0});
  } else {
    put16(out, static_cast<unsigned>(8 + one.size));
    put16(out, 0);
    Bytes frame{one.first, one.chain, 0, 0, 0, 0, 0, 1};
    put32(frame, static_cast<std::uint32_t>(one.asr_id >> 32));
    put32(frame, static_cast<std::uint32_t>(one.asr_id));
    frame.resize(one.size, 0);
    out.insert(out.end(), frame.begin(), frame.end());
  }
  return out;
}

/// The programs with the tables of one daemon.
class Bench {
 public:
  Bench(std::uint64_t source_each_ns, std::uint64_t total_each_ns) : skeleton_(akm_gate__open()) {
    if (skeleton_ == nullptr) skip("open");
    skeleton_->rodata->listen_port = htobe16(kPort);
    skeleton_->rodata->source_rate = {source_each_ns, kSecond};
    skeleton_->rodata->total_rate = {total_each_ns, kSecond};
    if (akm_gate__load(skeleton_) != 0) skip("load");
    skeleton_->bss->state = {UINT64_MAX, 0, 1, 0};
    const std::uint64_t id = htobe64(kKnown);
    add(skeleton_->maps.known_ids, id, std::uint8_t{1});
    add_target(kUs, false);
    add_target(kUs, true);
    add_target(kGroup, false);
    for (const bool ipv6 : {false, true})
      add(skeleton_->maps.vouched, endpoint(kPeer, ipv6, kPort), UINT64_MAX);
  }
  ~Bench() { akm_gate__destroy(skeleton_); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  [[nodiscard]] akm_gate& skeleton() { return *skeleton_; }

  /// Whether it passes. -1: the kernel does not run this packet.
  int run(bpf_program* program, const Bytes& bytes) {
    Bytes out(bytes.size() + 512);
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = bytes.data();
    options.data_size_in = static_cast<std::uint32_t>(bytes.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<std::uint32_t>(out.size());
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) != 0) return -1;
    if (program == skeleton_->progs.gate_xdp) return options.retval == 2 ? 1 : 0;  // XDP_PASS
    return options.retval == 2 ? 0 : 1;                                            // TC_ACT_SHOT
  }

  std::array<std::uint64_t, AKM_GATE_WAYS> ways() {
    std::array<std::uint64_t, AKM_GATE_WAYS> out{};
    std::vector<std::uint64_t> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    for (std::uint32_t way = 0; way < out.size(); ++way) {
      (void)bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.ways), &way, each.data());
      for (const std::uint64_t one : each) out[way] += one;
    }
    return out;
  }

  /// The one way that it was counted on; AKM_GATE_WAYS: none.
  std::uint32_t way_of(bpf_program* program, const Bytes& bytes, bool& passed) {
    const auto before = ways();
    passed = run(program, bytes) == 1;
    const auto after = ways();
    std::uint32_t out = AKM_GATE_WAYS;
    for (std::uint32_t way = 0; way < after.size(); ++way) {
      if (after[way] != before[way]) out = way;
    }
    return out;
  }

  static akm_gate_endpoint endpoint(std::uint32_t address, bool ipv6, std::uint16_t port) {
    Bytes bytes;
    if (ipv6) {
      put_address6(bytes, address);
    } else {
      bytes.assign({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
      put32(bytes, address);
    }
    akm_gate_endpoint out{};
    std::memcpy(out.address, bytes.data(), sizeof out.address);
    out.port = htobe16(port);
    return out;
  }

 private:
  static constexpr std::uint64_t kSecond = 1'000'000'000;
  static void skip(const char* what) {
    std::printf("skipped: %s: %s\n", what, std::strerror(errno));
    std::exit(77);
  }
  template <typename Key, typename Value>
  static void add(bpf_map* map, const Key& key, const Value& value) {
    if (bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) != 0) std::abort();
  }
  void add_target(std::uint32_t address, bool ipv6) {
    add(skeleton_->maps.targets, endpoint(address, ipv6, kPort), std::uint8_t{1});
  }
  akm_gate* skeleton_;
};

}  // namespace akm::bpf::test
