#include "bpf/loader/gate.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>
#include <system_error>
#include <utility>

// The skeleton needs its types.
// clang-format off
#include "bpf/include/akm_gate.h"
#include "akm_gate.skel.h"
// clang-format on
#include "bpf/loader/libbpf_warning.h"

namespace akm::bpf {
namespace {

constexpr std::uint64_t kSecond_ns = 1'000'000'000;
constexpr std::uint32_t kSourcesLeast = 8192;
constexpr std::array<const char*, AKM_GATE_WAYS> kWays{
    "gate_passed_vouched", "gate_passed_other",   "gate_passed_fragment", "gate_passed_unread",
    "gate_passed_open",    "gate_dropped_short",  "gate_dropped_form",    "gate_dropped_unknown_asr",
    "gate_dropped_late",   "gate_dropped_source", "gate_dropped_total"};
static_assert(kWays.back() != nullptr, "every way has its counter");

struct DestroySkeleton {
  void operator()(akm_gate* skeleton) const { akm_gate__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<akm_gate, DestroySkeleton>;

/// The clock of bpf_ktime_get_ns, which is the cheapest one there.
std::uint64_t monotonic_ns() {
  timespec now{};
  (void)::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond_ns + static_cast<std::uint64_t>(now.tv_nsec);
}

akm_gate_endpoint key_of(const Endpoint& endpoint) {
  akm_gate_endpoint out{};
  std::memcpy(out.address, endpoint.address.data(), sizeof out.address);
  out.port = htobe16(endpoint.port);
  return out;
}

/// Tells the tc filters of several daemons on one interface apart (FNV-1a).
std::uint32_t owner_of(const Endpoint& listen) {
  const akm_gate_endpoint key = key_of(listen);
  std::uint32_t hash = 2166136261U;
  for (const std::uint8_t byte : std::bit_cast<std::array<std::uint8_t, sizeof key>>(key))
    hash = (hash ^ byte) * 16777619U;
  return hash | 1U;
}

Skeleton prepare(const GateOptions& options, bool fragments) {
  Skeleton skeleton(akm_gate__open());
  if (!skeleton) return skeleton;
  skeleton->rodata->listen_port = htobe16(options.listen.port);
  const auto set_rate = [](auto& rate, std::uint32_t per_s) {
    rate.each_ns = kSecond_ns / std::max(per_s, 1U);
    rate.burst_ns = kSecond_ns;
  };
  set_rate(skeleton->rodata->source_rate, options.source_per_s);
  set_rate(skeleton->rodata->total_rate, options.total_per_s);
  const std::uint32_t ids = std::clamp<std::uint32_t>(options.ids_max, 1, AKM_GATE_MAX_IDS);
  (void)bpf_map__set_max_entries(skeleton->maps.known_ids, ids);
  // An NMM hears one node for each relationship; a node hears all members of a few.
  const std::uint32_t sources = std::clamp<std::uint32_t>(2 * ids, kSourcesLeast, AKM_GATE_MAX_VOUCHED);
  (void)bpf_map__set_max_entries(skeleton->maps.vouched, sources);
  // Drivers with large frames take only programs that say they do not mind packets in fragments.
  if (fragments) (void)bpf_program__set_flags(skeleton->progs.gate_xdp, BPF_F_XDP_HAS_FRAGS);
  return skeleton;
}

class LoadedGate final : public Gate {
 public:
  LoadedGate(const GateOptions& options, Skeleton skeleton)
      : options_(options), skeleton_(std::move(skeleton)), owner_(owner_of(options.listen)) {
    skeleton_->bss->state.ids_complete = 1;
  }

  void know(std::uint64_t asr_id) override;
  void forget(std::uint64_t asr_id) override;
  void add_group(const Endpoint& group) override;
  void vouch(const Endpoint& source, Duration lasting) override;
  std::vector<std::string> check() override;
  [[nodiscard]] const Health& health() const override { return health_; }
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override;
  std::vector<GateScan> take_scans() override;

 private:
  bool add_target(const Endpoint& target);
  void follow_addresses(const std::vector<NetworkInterface>& interfaces);
  void hang(const std::vector<NetworkInterface>& wanted);
  void show(const std::string& missing);

  GateOptions options_;
  Skeleton skeleton_;
  std::uint32_t owner_;
  std::vector<GateHook> hooks_;
  std::set<std::uint64_t> ids_;  // those that the map has no room for too
  std::set<Endpoint> addresses_;
  Health health_{"none", false, "not attached yet"};
};

void LoadedGate::know(std::uint64_t asr_id) {
  if (!ids_.insert(asr_id).second) return;
  const std::uint64_t key = htobe64(asr_id);
  const std::uint8_t value = 1;
  if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.known_ids), &key, &value, BPF_ANY) != 0)
    skeleton_->bss->state.ids_complete = 0;
}

void LoadedGate::forget(std::uint64_t asr_id) {
  if (ids_.erase(asr_id) == 0) return;
  const int map = bpf_map__fd(skeleton_->maps.known_ids);
  const std::uint64_t gone = htobe64(asr_id);
  (void)bpf_map_delete_elem(map, &gone);
  if (skeleton_->bss->state.ids_complete != 0 || ids_.size() > options_.ids_max) return;
  bool complete = true;  // there is room for all again
  for (const std::uint64_t id : ids_) {
    const std::uint64_t key = htobe64(id);
    const std::uint8_t value = 1;
    complete = bpf_map_update_elem(map, &key, &value, BPF_ANY) == 0 && complete;
  }
  skeleton_->bss->state.ids_complete = complete ? 1 : 0;
}

/// Without room its frames pass unjudged.
bool LoadedGate::add_target(const Endpoint& target) {
  const akm_gate_endpoint key = key_of(target);
  const std::uint8_t value = 1;
  return bpf_map_update_elem(bpf_map__fd(skeleton_->maps.targets), &key, &value, BPF_ANY) == 0;
}

void LoadedGate::add_group(const Endpoint& group) {
  (void)add_target(group);
}

void LoadedGate::vouch(const Endpoint& source, Duration lasting) {
  const akm_gate_endpoint key = key_of(source);
  const std::uint64_t until = monotonic_ns() + static_cast<std::uint64_t>(lasting.count());
  (void)bpf_map_update_elem(bpf_map__fd(skeleton_->maps.vouched), &key, &until, BPF_ANY);
}

/// What arrives for other machines, or other network namespaces, is none of ours.
void LoadedGate::follow_addresses(const std::vector<NetworkInterface>& interfaces) {
  const int map = bpf_map__fd(skeleton_->maps.targets);
  std::set<Endpoint> present;
  for (const NetworkInterface& one : interfaces) {
    for (Endpoint address : one.addresses) {
      if (!listens_on(options_.listen, address)) continue;
      address.port = options_.listen.port;
      present.insert(address);
    }
  }
  for (const Endpoint& gone : addresses_) {
    const akm_gate_endpoint key = key_of(gone);
    if (!present.contains(gone)) (void)bpf_map_delete_elem(map, &key);
  }
  // What finds no room is tried again at the next check.
  std::erase_if(present,
                [this](const Endpoint& one) { return !addresses_.contains(one) && !add_target(one); });
  addresses_ = std::move(present);
}

void LoadedGate::hang(const std::vector<NetworkInterface>& wanted) {
  const GatePrograms programs{bpf_program__fd(skeleton_->progs.gate_xdp),
                              bpf_program__fd(skeleton_->progs.gate_tc),
                              bpf_program__fd(skeleton_->progs.gate_tc_network)};
  std::string missing;
  for (const NetworkInterface& one : wanted) {
    const auto same = [&](const GateHook& hook) { return hook.interface().index == one.index; };
    if (std::ranges::any_of(hooks_, same)) continue;
    auto hook = GateHook::attach(programs, one, options_.mode, owner_);
    if (hook) {
      hooks_.push_back(std::move(*hook));
    } else {
      missing += (missing.empty() ? "" : "; ") + hook.error().detail;
    }
  }
  if (wanted.empty()) missing = "no interface carries " + format_endpoint(options_.listen);
  show(missing);
}

void LoadedGate::show(const std::string& missing) {
  health_ = {"", missing.empty(), missing};
  for (const GateHook& hook : hooks_) {
    health_.how += (health_.how.empty() ? "" : ", ") + hook.interface().name + ": " +
                   std::string(hook_name(hook.kind()));
  }
  if (hooks_.empty()) health_.how = "none";
}

std::vector<std::string> LoadedGate::check() {
  std::vector<std::string> gone;
  const auto interfaces = network_interfaces();
  if (interfaces) {
    const auto wanted = interfaces_of(options_.listen, *interfaces);
    std::erase_if(hooks_, [&](const GateHook& hook) {
      const bool carries = std::ranges::any_of(
          wanted, [&](const NetworkInterface& one) { return one.index == hook.interface().index; });
      const bool alive = hook.alive();
      if (carries && !alive)
        gone.push_back(std::string(hook_name(hook.kind())) + " at " + hook.interface().name);
      return !carries || !alive;
    });
    follow_addresses(*interfaces);
    hang(wanted);
  } else {
    show(interfaces.error().message());
  }
  const auto until = monotonic_ns() + static_cast<std::uint64_t>(options_.answer_within.count());
  std::atomic_ref(skeleton_->bss->state.answered_until_ns).store(until, std::memory_order_relaxed);
  return gone;
}

std::map<std::string, std::uint64_t> LoadedGate::counters() const {
  std::map<std::string, std::uint64_t> out{{"gate_known_ids", ids_.size()},
                                           {"gate_interfaces", hooks_.size()}};
  std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(std::max(libbpf_num_possible_cpus(), 1)));
  for (std::uint32_t way = 0; way < AKM_GATE_WAYS; ++way) {
    std::uint64_t sum = 0;
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.ways), &way, per_cpu.data()) == 0) {
      for (const std::uint64_t one : per_cpu) sum += one;
    }
    out.emplace(kWays[way], sum);
  }
  return out;
}

std::vector<GateScan> LoadedGate::take_scans() {
  std::vector<akm_gate_endpoint> keys(AKM_GATE_MAX_SCANS);
  std::vector<akm_gate_scan> values(AKM_GATE_MAX_SCANS);
  std::uint32_t count = AKM_GATE_MAX_SCANS;
  std::uint32_t end = 0;
  const LibbpfWarning quiet;
  const int done = bpf_map_lookup_and_delete_batch(bpf_map__fd(skeleton_->maps.scans), nullptr, &end,
                                                   keys.data(), values.data(), &count, nullptr);
  std::vector<GateScan> out;
  if (done != 0 && errno != ENOENT) return out;  // ENOENT: that was the last batch
  for (std::uint32_t i = 0; i < count; ++i) {
    GateScan& one = out.emplace_back();
    std::memcpy(one.source.address.data(), keys[i].address, sizeof keys[i].address);
    one.ports = static_cast<unsigned>(std::popcount(values[i].ports));
    one.asrs = static_cast<unsigned>(std::popcount(values[i].asrs));
    one.tries = values[i].packets;
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Gate>> Gate::open(const GateOptions& options) {
  const LibbpfWarning warning;
  int error = 0;
  for (const bool fragments : {true, false}) {  // Linux before 5.18 does not know the flag
    Skeleton skeleton = prepare(options, fragments);
    if (!skeleton) return fail_errno(Errc::probe_failed, "BPF object");
    error = akm_gate__load(skeleton.get());
    if (error == 0) return std::make_unique<LoadedGate>(options, std::move(skeleton));
  }
  return fail(Errc::probe_failed,
              std::generic_category().message(-error) +
                  (LibbpfWarning::last().empty() ? "" : " (" + LibbpfWarning::last() + ")"));
}

}  // namespace akm::bpf
