#include "daemon/service/gate_keeper.h"

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"

namespace akm::service {
namespace {

std::size_t hash_of(const Endpoint& endpoint) {
  std::size_t hash = endpoint.port;
  for (const std::uint8_t byte : endpoint.address) hash = hash * 31 + byte;
  return hash;
}

}  // namespace

std::unique_ptr<bpf::Gate> open_gate(const GateSettings& settings, const Endpoint& listen,
                                     std::vector<std::string>& findings) {
  if (!settings.enabled) {
    findings.emplace_back(
        "The gate at the network port is switched off by the configuration: every datagram reaches the "
        "daemon");
    return nullptr;
  }
  bpf::GateOptions options;
  options.listen = listen;
  options.mode = settings.mode;
  options.ids_max = settings.ids_max;
  options.source_per_s = settings.source_per_s;
  options.total_per_s = settings.total_per_s;
  auto gate = bpf::Gate::open(options);
  if (gate) return std::move(*gate);
  findings.push_back("No gate at the network port, every datagram reaches the daemon: " +
                     gate.error().message());
  log::warning("No gate at the network port", {{"AKM_ERROR", gate.error().message()}});
  return nullptr;
}

GateKeeper::GateKeeper(Parts parts) : parts_(std::move(parts)), watch_(parts_.now()) {}

void GateKeeper::start() {
  if (parts_.engine == nullptr) return;
  for (const protocol::AsrId id : parts_.engine->relationships()) stored(id);
  const Instant now = parts_.now();
  rosters_due_ = now + kVouchLasts / 2;
  next_check_ = now;
  deadline_reached();
}

void GateKeeper::stored(protocol::AsrId asr_id) {
  if (parts_.gate == nullptr) return;
  if (held_.insert(asr_id).second) {
    parts_.gate->know(asr_id);
    vouch_for_roster(asr_id);
  } else {
    changed_.insert(asr_id);
  }
}

void GateKeeper::forgotten(protocol::AsrId asr_id) {
  held_.erase(asr_id);
  changed_.erase(asr_id);
  if (parts_.gate != nullptr) parts_.gate->forget(asr_id);
}

/// The addresses that the NMM gave: they have the right to speak first, a flood or not.
void GateKeeper::vouch_for_roster(protocol::AsrId asr_id) {
  const auto view = parts_.engine == nullptr ? std::nullopt : parts_.engine->view(asr_id);
  if (!view) return;
  for (const protocol::Member& member : view->description.roster) {
    if (member.index == view->own_index) continue;
    for (const std::string& text : member.endpoints) {
      if (const auto endpoint = parse_endpoint(text)) parts_.gate->vouch(*endpoint, kVouchLasts);
    }
  }
}

void GateKeeper::vouch(const Endpoint& source) {
  if (parts_.gate == nullptr) return;
  Vouched& place = lately_[hash_of(source) % lately_.size()];
  const Instant now = parts_.now();
  if (place.source == source && now < place.again) return;
  place = {source, now + kVouchAgain};
  parts_.gate->vouch(source, kVouchLasts);
}

void GateKeeper::joined_group(const Endpoint& group) {
  if (parts_.gate != nullptr) parts_.gate->add_group(group);
}

std::optional<Instant> GateKeeper::next_deadline() const {
  if (!next_check_) return std::nullopt;
  // Without a gate the end of the window is all there is.
  return parts_.gate == nullptr ? watch_.ends() : *next_check_;
}

void GateKeeper::deadline_reached() {
  const Instant now = parts_.now();
  if (!next_check_) return;
  if (parts_.gate != nullptr && *next_check_ <= now) {
    next_check_ = now + kCheckInterval;
    for (const std::string& hook : parts_.gate->check()) hooks_gone(hook, now);
  }
  if (watch_.ends() <= now) end_window(now);
}

void GateKeeper::end_window(Instant now) {
  const bool gate = parts_.gate != nullptr;
  const auto scans = gate ? parts_.gate->take_scans() : std::vector<bpf::GateScan>();
  const auto ways = gate ? parts_.gate->counters() : std::map<std::string, std::uint64_t>();
  for (const policy::Detection& one : watch_.end_window(now, parts_.engine->counters(), ways, scans))
    parts_.tell(one);
  if (!gate) return;
  const bool all = rosters_due_ <= now;
  if (all) rosters_due_ = now + kVouchLasts / 2;
  for (const protocol::AsrId id : all ? held_ : changed_) vouch_for_roster(id);
  changed_.clear();
}

/// Somebody with the rights took it down; it hangs again already.
void GateKeeper::hooks_gone(const std::string& hook, Instant now) {
  ++hooks_gone_;
  policy::Detection detection;
  detection.detection = policy::DetectionClass::sensor_impaired;
  detection.boottime_ns = now.ns;
  detection.evidence = {{"finding", "gate_gone"}, {"detail", hook + " was taken down"}};
  parts_.tell(detection);
}

std::optional<std::string> GateKeeper::health() const {
  if (parts_.gate == nullptr) return std::nullopt;
  const bpf::Gate::Health& health = parts_.gate->health();
  std::string out = health.how + (health.attached ? "" : " (degraded)");
  if (!health.detail.empty()) out += ": " + health.detail;
  return out;
}

std::map<std::string, std::uint64_t> GateKeeper::counters() const {
  std::map<std::string, std::uint64_t> out;
  if (parts_.gate != nullptr) {
    out = parts_.gate->counters();
    out.emplace("gate_hooks_gone", hooks_gone_);
  }
  out.emplace("frames_forged", watch_.forged());
  out.emplace("frames_late", watch_.stragglers());
  return out;
}

std::vector<std::string> GateKeeper::findings() const {
  if (parts_.gate == nullptr || !next_check_) return {};
  const bpf::Gate::Health& health = parts_.gate->health();
  if (health.attached) return {};
  return {"The gate at the network port is not everywhere: " + health.detail};
}

}  // namespace akm::service
