// The gate's judgement of single packets, by BPF_PROG_TEST_RUN: each way once, as XDP and as a classifier,
// and then random packets, whose way a model of a page tells beforehand.
#include <bpf/bpf.h>
#include <endian.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <random>
#include <span>

// The skeleton needs its types.
// clang-format off
#include "bpf/include/akm_gate.h"
#include "akm_gate.skel.h"
// clang-format on
#include "tests/bpf/harness.h"

using namespace akm::bpf::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint16_t kPort = 7400;
constexpr std::uint64_t kKnown = 0x1122334455667788;
constexpr std::uint32_t kUs = 0x0a090001;    // 10.9.0.1
constexpr std::uint32_t kPeer = 0x0a090002;  // vouched for, with port 7400
constexpr std::uint32_t kGroup = 0xef010203;
constexpr std::uint8_t kDestinationOptions = 60;

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value & 0xffff);
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t below(std::uint32_t most) { return static_cast<std::uint32_t>(engine_() % most); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

 private:
  std::mt19937 engine_;
};

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
};

void put_address6(Bytes& out, std::uint32_t address) {
  put32(out, 0x20010db8);
  put32(out, 0);
  put32(out, 0);
  put32(out, address);
}

void put_ip(Bytes& out, const Packet& one, std::size_t payload) {
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

Bytes bytes_of(const Packet& one) {
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
    out.insert(out.end(), {0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0});
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

struct Case {
  const char* what;
  Packet packet;
  std::uint32_t way;
};

const Case kCases[] = {
    {"a frame of a stranger", {}, AKM_GATE_PASSED_OTHER},
    {"a frame of a peer", {.from = kPeer, .from_port = kPort}, AKM_GATE_PASSED_VOUCHED},
    {"the peer's address with another port", {.from = kPeer, .from_port = 9}, AKM_GATE_PASSED_OTHER},
    {"IPv6", {.ipv6 = true}, AKM_GATE_PASSED_OTHER},
    {"a peer by IPv6", {.from = kPeer, .from_port = kPort, .ipv6 = true}, AKM_GATE_PASSED_VOUCHED},
    {"one VLAN tag", {.tags = 1, .first = 0x21}, AKM_GATE_DROPPED_FORM},
    {"two VLAN tags", {.tags = 2, .first = 0x21}, AKM_GATE_DROPPED_FORM},
    {"IPv4 options", {.options = 10, .first = 0x21}, AKM_GATE_DROPPED_FORM},
    {"IPv6 extension headers", {.ipv6 = true, .options = 5, .first = 0x21}, AKM_GATE_DROPPED_FORM},
    {"a group", {.to = kGroup, .first = 0x21}, AKM_GATE_DROPPED_FORM},
    {"too short by a byte", {.size = 51}, AKM_GATE_DROPPED_SHORT},
    {"the shortest", {.size = 52}, AKM_GATE_PASSED_OTHER},
    {"empty", {.size = 0}, AKM_GATE_DROPPED_SHORT},
    {"version 0", {.first = 0x01}, AKM_GATE_DROPPED_FORM},
    {"version 2", {.first = 0x21}, AKM_GATE_DROPPED_FORM},
    {"type 0", {.first = 0x10}, AKM_GATE_DROPPED_FORM},
    {"type 4", {.first = 0x14}, AKM_GATE_DROPPED_FORM},
    {"data", {.first = 0x13}, AKM_GATE_PASSED_OTHER},
    {"chain 3", {.chain = 3}, AKM_GATE_DROPPED_FORM},
    {"chain 2", {.chain = 2}, AKM_GATE_PASSED_OTHER},
    {"another asr_id", {.asr_id = kKnown + 1}, AKM_GATE_DROPPED_ASR},
    {"asr_id 0", {.asr_id = 0}, AKM_GATE_DROPPED_ASR},
    {"a peer's, of what is erased", {.from = kPeer, .from_port = kPort, .asr_id = 7}, AKM_GATE_DROPPED_LATE},
    {"the first fragment", {.fragment = 0x2000, .first = 0x21}, AKM_GATE_PASSED_FRAGMENT},
    {"a later fragment", {.fragment = 0x0010, .first = 0x21}, AKM_GATE_WAYS},
    {"another port", {.to_port = 53, .first = 0x21}, AKM_GATE_WAYS},
    {"another machine's", {.to = kPeer, .first = 0x21}, AKM_GATE_WAYS},
    {"another group", {.to = kGroup + 1, .first = 0x21}, AKM_GATE_WAYS},
    {"three VLAN tags are not read", {.tags = 3, .first = 0x21}, AKM_GATE_WAYS},
    {"seven extension headers are not read", {.ipv6 = true, .options = 7, .first = 0x21}, AKM_GATE_WAYS},
};

void each_way() {
  Bench bench(1, 1);
  for (const Case& one : kCases) {
    for (bpf_program* program : {bench.skeleton().progs.gate_xdp, bench.skeleton().progs.gate_tc}) {
      bool passed = false;
      const std::uint32_t way = bench.way_of(program, bytes_of(one.packet), passed);
      const bool drop = way >= AKM_GATE_DROPPED_SHORT && way < AKM_GATE_WAYS;
      expect(way == one.way && passed == !drop, std::string(one.what) + " (" + bpf_program__name(program) +
                                                    ", way " + std::to_string(way) + ")");
    }
  }
}

void rates() {
  const std::uint64_t hour = 3'600'000'000'000;
  bool passed = false;
  {
    Bench bench(500'000'000, 1);  // two a second of one source
    bpf_program* xdp = bench.skeleton().progs.gate_xdp;
    unsigned through = 0;
    for (int i = 0; i < 10; ++i) through += bench.way_of(xdp, bytes_of({}), passed) == AKM_GATE_PASSED_OTHER;
    expect(through >= 2 && through < 10, "a source is kept to its rate");
    expect(bench.way_of(xdp, bytes_of({.from = 0x0a090077}), passed) == AKM_GATE_PASSED_OTHER,
           "another source has its own");
    expect(
        bench.way_of(xdp, bytes_of({.from = kPeer, .from_port = kPort}), passed) == AKM_GATE_PASSED_VOUCHED,
        "who is vouched for has none");
    // Sources of one /64 are one source.
    through = 0;
    for (std::uint32_t i = 0; i < 10; ++i)
      through += bench.way_of(xdp, bytes_of({.from = i, .ipv6 = true}), passed) == AKM_GATE_PASSED_OTHER;
    expect(through < 10, "a /64 is one source");
  }
  Bench bench(1, hour);  // a flood of invented sources: none for all of them together
  bpf_program* xdp = bench.skeleton().progs.gate_xdp;
  bool all_dropped = true;
  for (std::uint32_t i = 0; i < 100; ++i)
    all_dropped &= bench.way_of(xdp, bytes_of({.from = 0x0b000000 + i}), passed) == AKM_GATE_DROPPED_TOTAL;
  expect(all_dropped, "invented sources share one rate");
  expect(bench.way_of(xdp, bytes_of({.from = kPeer, .from_port = kPort}), passed) == AKM_GATE_PASSED_VOUCHED,
         "and the peer is heard meanwhile");
}

void open_when_unanswered() {
  Bench bench(1, 1);
  bpf_program* xdp = bench.skeleton().progs.gate_xdp;
  bool passed = false;
  const Bytes bad = bytes_of({.first = 0x21});
  bench.skeleton().bss->state.answered_until_ns = 1;
  expect(bench.way_of(xdp, bad, passed) == AKM_GATE_PASSED_OPEN && passed, "unanswered, it stands open");
  bench.skeleton().bss->state.answered_until_ns = UINT64_MAX;
  expect(bench.way_of(xdp, bad, passed) == AKM_GATE_DROPPED_FORM, "answered, it drops again");
  bench.skeleton().bss->state.ids_complete = 0;
  expect(bench.way_of(xdp, bytes_of({.asr_id = 9}), passed) == AKM_GATE_PASSED_OTHER,
         "when not all ids had room, none is unknown");
}

akm_gate_scan scan_of(Bench& bench, std::uint32_t address) {
  const akm_gate_endpoint key = Bench::endpoint(address, false, 0);
  akm_gate_scan out{};
  (void)bpf_map_lookup_elem(bpf_map__fd(bench.skeleton().maps.scans), &key, &out);
  return out;
}

void scans() {
  Bench bench(1, 1);
  bpf_program* tc = bench.skeleton().progs.gate_tc;
  for (std::uint16_t port = 1; port <= 40; ++port)
    expect(bench.run(tc, bytes_of({.to_port = port, .syn = true})) == 1, "a connection passes");
  for (std::uint64_t id = 1; id <= 20; ++id)
    (void)bench.run(tc, bytes_of({.from = 0x0a090008, .asr_id = id}));
  for (int i = 0; i < 50; ++i)
    (void)bench.run(tc, bytes_of({.from = 0x0a090007, .to_port = 22, .syn = true}));
  const akm_gate_scan ports = scan_of(bench, 0x0a090009);
  expect(std::popcount(ports.ports) >= 16 && std::popcount(ports.ports) <= 40 && ports.asrs == 0 &&
             ports.packets == 40,
         "40 ports are many: " + std::to_string(std::popcount(ports.ports)));
  const akm_gate_scan asrs = scan_of(bench, 0x0a090008);
  expect(std::popcount(asrs.asrs) >= 8 && std::popcount(asrs.asrs) <= 20 && asrs.ports == 0,
         "20 asr_ids are many: " + std::to_string(std::popcount(asrs.asrs)));
  const akm_gate_scan busy = scan_of(bench, 0x0a090007);
  expect(std::popcount(busy.ports) == 1 && busy.packets == 50, "one port often is no scan");
}

/// What the gate must say of a packet that was made as told, rates aside.
std::uint32_t model(const Packet& one) {
  const bool ours = one.to == kUs || (one.to == kGroup && !one.ipv6);
  const bool read = one.tags <= 2 && (!one.ipv6 || one.options <= 6);
  const bool later = !one.ipv6 && (one.fragment & 0x1fff) != 0;
  if (one.syn || !ours || !read || later || one.to_port != kPort) return AKM_GATE_WAYS;
  if (!one.ipv6 && (one.fragment & 0x2000) != 0) return AKM_GATE_PASSED_FRAGMENT;
  if (one.size < 52) return AKM_GATE_DROPPED_SHORT;
  const unsigned type = one.first & 0xf;
  if (one.first >> 4 != 1 || type < 1 || type > 3 || one.chain > 2) return AKM_GATE_DROPPED_FORM;
  const bool peer = one.from == kPeer && one.from_port == kPort;
  if (one.asr_id != kKnown) return peer ? AKM_GATE_DROPPED_LATE : AKM_GATE_DROPPED_ASR;
  return peer ? AKM_GATE_PASSED_VOUCHED : AKM_GATE_PASSED_OTHER;
}

void against_the_model() {
  Bench bench(1, 1);
  Random random(26);
  const auto below = [&random](std::uint32_t most) { return random.below(most); };
  const auto pick = [&](auto... of) {
    const std::array all{of...};
    return all[below(static_cast<std::uint32_t>(all.size()))];
  };
  unsigned wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    const Packet one{.from = pick(kPeer, kPeer + 7, below(0x7fffffff)),
                     .to = pick(kUs, kUs, kUs, kGroup, kPeer),
                     .from_port = pick(kPort, static_cast<std::uint16_t>(below(65536))),
                     .to_port = pick(kPort, kPort, kPort, static_cast<std::uint16_t>(kPort + 1)),
                     .ipv6 = below(2) == 0,
                     .tags = pick(0U, 0U, 1U, 2U, 3U),
                     .options = below(9),
                     .fragment = pick(0U, 0U, 0U, 0x4000U, 0x2000U, 0x2001U, 5U),
                     .first = pick(std::uint8_t{0x11}, std::uint8_t{0x12}, random.byte()),
                     .chain = pick(std::uint8_t{0}, std::uint8_t{1}, static_cast<std::uint8_t>(below(5))),
                     .asr_id = pick(kKnown, kKnown, std::uint64_t{below(100000)}),
                     .size = below(3) == 0 ? below(60) : 52 + below(1200),
                     .syn = below(20) == 0};
    bpf_program* program = below(2) == 0 ? bench.skeleton().progs.gate_xdp : bench.skeleton().progs.gate_tc;
    bool passed = false;
    const std::uint32_t way = bench.way_of(program, bytes_of(one), passed);
    const std::uint32_t wanted = model(one);
    if (way != wanted && wrong++ == 0) std::printf("# packet %d: way %u, wanted %u\n", i, way, wanted);
  }
  expect(wrong == 0, "20,000 random packets go the way of the model");
}

/// Cut at every length, and with random bytes changed: whatever comes is judged or passes, and an unreadable
/// one is never dropped as something else than its bytes say.
void malformed() {
  Bench bench(1, 1);
  Random random(27);
  bpf_program* xdp = bench.skeleton().progs.gate_xdp;
  std::uint64_t ran = 0;
  for (const bool ipv6 : {false, true}) {
    const Bytes whole = bytes_of({.ipv6 = ipv6, .tags = 2, .options = 3});
    for (std::size_t size = 14; size < whole.size(); ++size) {
      bool passed = false;
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      (void)bench.way_of(xdp, cut, passed);
      ran += passed ? 1 : 0;
    }
    // It says that it is long enough, so nothing of it is a reason to drop it.
    expect(ran >= whole.size() - 14, "a packet that is cut off passes");
    ran = 0;
  }
  std::uint64_t counted_twice = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = bytes_of({.ipv6 = i % 2 == 0, .tags = random.below(3), .options = random.below(5)});
    for (unsigned flips = 1 + random.below(6); flips > 0; --flips)
      bytes[random.below(static_cast<std::uint32_t>(bytes.size()))] = random.byte();
    bytes.resize(14 + random.below(static_cast<std::uint32_t>(bytes.size() - 13)));
    const auto before = bench.ways();
    const int passed = bench.run(random.below(2) == 0 ? xdp : bench.skeleton().progs.gate_tc, bytes);
    const auto after = bench.ways();
    std::uint64_t grown = 0;
    std::uint64_t dropped = 0;
    for (std::uint32_t way = 0; way < after.size(); ++way) {
      grown += after[way] - before[way];
      if (way >= AKM_GATE_DROPPED_SHORT) dropped += after[way] - before[way];
    }
    if (passed >= 0 && (grown > 1 || (passed == 0) != (dropped == 1))) ++counted_twice;
  }
  expect(counted_twice == 0, "20,000 disturbed packets: each drop has one reason, each pass at most one");
}

}  // namespace

int main() {
  each_way();
  rates();
  open_when_unanswered();
  scans();
  against_the_model();
  malformed();
  return finish();
}
