#pragma once
// From the raw record of a program to a ProbeRecord. The ring is writable by whoever gets at our descriptors,
// so nothing in it is taken on trust.
#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "bpf/loader/probe_record.h"

namespace akm::bpf {

/// The heartbeat's own record.
struct SelfProbe {
  std::uint64_t beat = 0;
  std::uint32_t tgid = 0;        // ours, in the host's numbers
  std::uint64_t started_ns = 0;  // boot time of our start
};
/// A record that says nothing after all (a /proc file of ours that is not its memory).
struct Nothing {};

/// None for the heartbeat's and for a number that no program of ours writes (enum akm_watch).
std::optional<Watch> watch_of(std::uint8_t watch);

/// None when it is garbled: wrong size, version, unknown enum, times or lengths that cannot be.
std::optional<std::variant<SelfProbe, Nothing, ProbeRecord>> decode_event(
    std::span<const std::uint8_t> bytes);

}  // namespace akm::bpf
