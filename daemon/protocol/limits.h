#pragma once
// Everything has a maximum (rule 7). Sections are those of docs/protocol.md.
#include <cstddef>
#include <cstdint>

namespace akm::protocol::limits {

inline constexpr std::size_t kFrameBytes = 1200;           // section 4
inline constexpr std::size_t kFrameHeaderBytes = 36;       // section 4
inline constexpr std::size_t kTagBytes = 16;               // section 4
inline constexpr std::size_t kMembers = 4096;              // section 1
inline constexpr std::size_t kBitmapBytes = kMembers / 8;  // section 5
inline constexpr std::size_t kLabelBytes = 64;             // section 2
inline constexpr std::size_t kNameBytes = 64;
inline constexpr std::size_t kEndpointsPerMember = 4;
inline constexpr std::size_t kEndpointTextBytes = 64;
inline constexpr std::size_t kReplayWindow = 1024;                      // section 4, RFC 6479
inline constexpr std::uint64_t kFramesPerKey = std::uint64_t{1} << 32;  // section 4
inline constexpr std::size_t kFragments = 64;                           // section 6
inline constexpr std::size_t kRequestBodyBytes = 64 * 1024;             // section 6
inline constexpr std::size_t kRememberedResponses = 64;                 // section 6
inline constexpr std::size_t kReassembliesPerPeer = 4;
inline constexpr std::size_t kPendingRequestsPerPeer = 16;
inline constexpr std::size_t kRelationships = 16384;  // of one engine: an NMM has one for each node
inline constexpr std::size_t kGenerationsPerAsr = 3;  // current, installed ahead, in grace
inline constexpr std::size_t kRepeatedSe = 3;         // section 5
inline constexpr std::size_t kAttemptsPerChain = 3;   // section 5
inline constexpr std::size_t kStoredCandidates = 4;   // beside the committed state, section 5
inline constexpr std::uint32_t kTargetSkip = 65536;   // a target above committed + this is refused
inline constexpr std::uint32_t kRequestSpread = 64;   // ids of pending requests lie this close, section 6

}  // namespace akm::protocol::limits
