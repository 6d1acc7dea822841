// The gate's judgement of single packets, by BPF_PROG_TEST_RUN: each way once, as XDP and as a classifier,
// and then random packets, whose way a model of a page tells beforehand.
#include <bit>
#include <random>

#include "tests/bpf/gate_bench.h"
#include "tests/bpf/harness.h"

using namespace akm::bpf::test;

namespace {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  std::uint32_t below(std::uint32_t most) { return static_cast<std::uint32_t>(engine_() % most); }
  std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

 private:
  std::mt19937 engine_;
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
  int passed = 0;
  for (std::uint16_t port = 1; port <= 40; ++port)
    passed += bench.run(tc, bytes_of({.to_port = port, .syn = true}));
  expect(passed == 40, "connections pass");
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
