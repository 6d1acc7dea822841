#pragma once
// What a node says of the machine that it runs on (section 7): digests of the sources of its hardware value,
// so that a changed one can be named, and what tells two copies of one node apart.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/protocol/provisioning.h"

namespace akm::protocol {

class CborReader;
class CborWriter;

inline constexpr std::size_t kSourcesMost = 16;
inline constexpr std::size_t kSourceNameBytes = 32;

struct SourceDigest {
  std::string name;
  Digest32 digest{};
  bool operator==(const SourceDigest&) const = default;
};
using SourceDigests = std::vector<SourceDigest>;

/// SHA-256("akm1 source" || 0x00 || name || 0x00 || value) of each, in the given order. A value may be
/// guessed from its digest: they are kept sealed and sent encrypted only.
SourceDigests source_digests(std::span<const HardwareSource> sources);
/// "NAME changed", "NAME gone", "NAME new"; empty when all are the same.
std::vector<std::string> changed_sources(const SourceDigests& before, const SourceDigests& now);
/// What a source is that was there and cannot be read now: a part that was taken out, or a driver that is not
/// loaded; or as much as one with another value.
enum class MissingSource : std::uint8_t { part, other };
/// None of those before is there as it was, and one at least has another value: another machine, not one with
/// a new part.
bool is_another_machine(const SourceDigests& before, const SourceDigests& now,
                        MissingSource missing = MissingSource::part);
void write_sources(CborWriter& writer, const SourceDigests& sources);
SourceDigests read_sources(CborReader& reader);

struct MachineEvidence {
  SourceDigests sources;
  std::array<std::uint8_t, 16> boot_id{};  // of the kernel that it runs under
  Digest32 machine{};                      // SHA-256("akm1 machine" || 0x00 || /etc/machine-id); zeros: none
  std::uint32_t start = 0;                 // its incarnation
  bool operator==(const MachineEvidence&) const = default;
};

}  // namespace akm::protocol
