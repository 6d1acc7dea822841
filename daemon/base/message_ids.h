#pragma once
// Fixed MESSAGE_IDs of the journal records that tools may rely on. An id never changes its meaning.
#include <string_view>

namespace akm::message_id {

inline constexpr std::string_view kStarted = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c01";
inline constexpr std::string_view kStopped = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c02";
inline constexpr std::string_view kSealingInSoftware = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c03";
inline constexpr std::string_view kSealedUnavailable = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c04";
inline constexpr std::string_view kStateChanged = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c05";
inline constexpr std::string_view kSessionCommitted = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c06";
inline constexpr std::string_view kGenerationInstalled = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c07";
inline constexpr std::string_view kAsrRetired = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c08";
inline constexpr std::string_view kBreachDetected = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c09";
inline constexpr std::string_view kBreachReported = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c0a";
inline constexpr std::string_view kKeysRevoked = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c0b";
inline constexpr std::string_view kNodeEvicted = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c0c";
inline constexpr std::string_view kNodeReadmitted = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c0d";
inline constexpr std::string_view kProbeDegraded = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c0e";
inline constexpr std::string_view kProvisioned = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c0f";
inline constexpr std::string_view kNodeActivated = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c10";
inline constexpr std::string_view kStateDoubtful = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c11";
inline constexpr std::string_view kDetected = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c12";
inline constexpr std::string_view kPolicyChanged = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5c13";
inline constexpr std::string_view kAuditImpaired = "5f1b7c0a6d5e4f0b9c2f0a1d3e4b5ca0";

}  // namespace akm::message_id
