#include "daemon/service/frame_watch.h"

#include <algorithm>
#include <array>
#include <utility>

namespace akm::service {
namespace {

using protocol::Refusal;

// Nobody who holds the keys and is up to date sends these.
constexpr std::array kForged{Refusal::too_short,         Refusal::too_long,  Refusal::bad_version,
                             Refusal::bad_type,          Refusal::bad_chain, Refusal::unknown_asr,
                             Refusal::unknown_sender,    Refusal::own_index, Refusal::not_authentic,
                             Refusal::malformed_payload, Refusal::over_limit};
// What a member that is behind, or an overtaken frame, looks like too: subtracted from what is forged.
constexpr std::array kLate{Refusal::unknown_generation, Refusal::unknown_epoch, Refusal::stale_incarnation,
                           Refusal::replayed};
constexpr const char* kForgedAtGate[] = {"gate_dropped_short", "gate_dropped_form",
                                         "gate_dropped_unknown_asr", "gate_dropped_source",
                                         "gate_dropped_total"};
constexpr std::string_view kLateName = "late";

void add(std::map<std::string, std::uint64_t>& out, const std::string& name, std::uint64_t count) {
  if (count > 0) out[name] += count;
}

std::map<std::string, std::uint64_t> reasons_of(const protocol::Counters& engine,
                                                const std::map<std::string, std::uint64_t>& gate) {
  std::map<std::string, std::uint64_t> out;
  for (const Refusal one : kForged)
    add(out, std::string(protocol::refusal_name(one)), engine.refused[static_cast<std::size_t>(one)]);
  for (const Refusal one : kLate)
    add(out, std::string(kLateName), engine.refused[static_cast<std::size_t>(one)]);
  for (const char* name : kForgedAtGate) {
    if (const auto found = gate.find(name); found != gate.end()) add(out, found->first, found->second);
  }
  if (const auto found = gate.find("gate_dropped_late"); found != gate.end())
    add(out, std::string(kLateName), found->second);
  return out;
}

std::string address_of(const Endpoint& source) {
  const std::string text = format_endpoint(source);
  return text.substr(0, text.rfind(':'));
}

}  // namespace

std::vector<policy::Detection> FrameWatch::end_window(Instant now, const protocol::Counters& engine,
                                                      const std::map<std::string, std::uint64_t>& gate,
                                                      const std::vector<bpf::GateScan>& scans) {
  ends_ = now + kWindow;
  std::vector<policy::Detection> out;
  if (auto forged = forged_frames(now, reasons_of(engine, gate))) out.push_back(std::move(*forged));
  if (auto scan = network_scan(now, scans)) out.push_back(std::move(*scan));
  return out;
}

std::optional<policy::Detection> FrameWatch::forged_frames(Instant now, const Reasons& now_counted) {
  policy::Detection out;
  out.detection = policy::DetectionClass::forged_frames;
  out.boottime_ns = now.ns;
  std::uint64_t total = 0;
  for (const auto& [reason, count] : now_counted) {
    const auto before = counted_.find(reason);
    const std::uint64_t grown = count - (before == counted_.end() ? 0 : std::min(before->second, count));
    if (grown == 0) continue;
    out.evidence.emplace(reason, std::to_string(grown));
    (reason == kLateName ? stragglers_ : total) += grown;
  }
  counted_ = now_counted;
  forged_ += total;
  if (total < kForgedAtLeast) return std::nullopt;
  out.evidence.emplace("frames", std::to_string(total));
  return out;
}

/// One for all sources: who has tried most is named.
std::optional<policy::Detection> FrameWatch::network_scan(Instant now,
                                                          const std::vector<bpf::GateScan>& scans) {
  const bpf::GateScan* most = nullptr;
  std::size_t sources = 0;
  for (const bpf::GateScan& one : scans) {
    if (one.ports < kPortsAtLeast && one.asrs < kAsrsAtLeast) continue;
    ++sources;
    if (most == nullptr || one.tries > most->tries) most = &one;
  }
  if (most == nullptr) return std::nullopt;
  policy::Detection out;
  out.detection = policy::DetectionClass::network_scan;
  out.boottime_ns = now.ns;
  out.subject = {{"source", address_of(most->source)}};
  out.evidence = {{"ports_at_least", std::to_string(most->ports)},
                  {"asrs_at_least", std::to_string(most->asrs)},
                  {"tries", std::to_string(most->tries)},
                  {"sources", std::to_string(sources)}};
  return out;
}

}  // namespace akm::service
