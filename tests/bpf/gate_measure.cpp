// Not a test: prints what the gate's programs cost a packet, for docs/performance.md. The kernel runs each
// packet a million times in one call and says how long one took; the rounds of all kinds are interleaved,
// medians count.
#include <algorithm>
#include <map>
#include <string>

#include "tests/bpf/gate_bench.h"

using namespace akm::bpf::test;

namespace {

constexpr int kRounds = 7;
constexpr int kRepeat = 1'000'000;

struct Kind {
  const char* what;
  Packet packet;
};

const Kind kKinds[] = {
    {"another protocol (nothing is read)", {.tags = 3}},
    {"TCP, an open connection", {.to_port = 443, .syn = true, .ack = true}},
    {"UDP to another port", {.to_port = 443}},
    {"dropped by its form", {.first = 0x21}},
    {"dropped by its asr_id", {.asr_id = 7}},
    {"frame of a peer", {.from = kPeer, .from_port = kPort}},
    {"frame of a stranger", {}},
    {"frame of a stranger, IPv6", {.ipv6 = true}},
};

double run(bpf_program* program, const Bytes& bytes) {
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = bytes.data();
  options.data_size_in = static_cast<std::uint32_t>(bytes.size());
  options.repeat = kRepeat;
  return bpf_prog_test_run_opts(bpf_program__fd(program), &options) == 0
             ? static_cast<double>(options.duration)
             : -1.0;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main() {
  Bench bench(1, 1);
  bpf_program* programs[] = {bench.skeleton().progs.gate_xdp, bench.skeleton().progs.gate_tc};
  std::map<std::pair<const char*, bpf_program*>, std::vector<double>> times;
  for (int round = 0; round < kRounds; ++round) {
    for (const Kind& kind : kKinds) {
      for (bpf_program* program : programs)
        times[{kind.what, program}].push_back(run(program, bytes_of(kind.packet)));
    }
  }
  std::printf("%-36s %8s %8s\n", "ns a packet", "XDP", "tc");
  for (const Kind& kind : kKinds) {
    std::printf("%-36s %8.0f %8.0f\n", kind.what, median(times[{kind.what, programs[0]}]),
                median(times[{kind.what, programs[1]}]));
  }
  return 0;
}
