#pragma once
// Everything that comes from the bus has a maximum (rule 7). Lengths are bytes of UTF-8.
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "daemon/base/instant.h"

namespace akm::dbus::limits {

inline constexpr std::size_t kNameBytes = 64;
inline constexpr std::size_t kPathBytes = 4095;  // PATH_MAX without the terminator
inline constexpr std::size_t kEndpointBytes = 64;
inline constexpr std::size_t kEndpoints = 4;
inline constexpr std::size_t kNodesPerAsr = 4096;
inline constexpr std::size_t kPolicyFields = 32;
inline constexpr std::size_t kPolicyTextBytes = 256;
inline constexpr std::size_t kPolicyFileBytes = std::size_t{64} << 10;
inline constexpr std::size_t kHardwareValueBytes = 32;
inline constexpr std::size_t kIdentityBytes = std::size_t{16} << 10;
inline constexpr std::size_t kCodeBytes = 256;
inline constexpr std::size_t kContextBytes = 64;     // of an exported key
inline constexpr std::size_t kExportedKeys = 4096;   // that a client takes from one relationship
inline constexpr std::size_t kHoldersOfAKey = 4096;  // that a client takes of one of them
inline constexpr std::size_t kPinBytes = 65;         // 64 and a newline
inline constexpr std::size_t kTokenUriBytes = 1024;
inline constexpr std::size_t kBundleBytes = std::size_t{1} << 20;
inline constexpr std::uint32_t kPcrs = 24;
inline constexpr std::size_t kPcrTextBytes = 64;                    // a value of 32 bytes in hex
inline constexpr std::size_t kSignatureBytes = 256;                 // and what is signed
inline constexpr std::size_t kAuditSeals = 4096;                    // to be checked in one call
inline constexpr std::size_t kBackupBytes = std::size_t{64} << 20;  // of an NMM
inline constexpr std::size_t kSealedBundleBytes = std::size_t{16} << 10;
inline constexpr std::size_t kHandoverKeyBytes = 32;
inline constexpr std::size_t kAddressBytes = 512;
inline constexpr std::size_t kTextBytes = 4096;      // any text that we put on the bus or take from it
inline constexpr std::size_t kListItems = 65536;     // any list that a client takes from the bus
inline constexpr std::size_t kObjects = 16384;       // that a client takes from one ObjectManager
inline constexpr std::size_t kInterfaces = 16;       // of one of them
inline constexpr std::size_t kPendingChecks = 64;    // authorisations under way; more are refused as busy
inline constexpr std::size_t kMessagesPerTurn = 64;  // then the other sources of the loop get their turn

inline constexpr Duration kCredentialsTimeout = std::chrono::seconds(5);
inline constexpr Duration kPolkitTimeout = std::chrono::seconds(120);  // a person may type a password
inline constexpr Duration kReconnectFirst = std::chrono::milliseconds(100);
inline constexpr Duration kReconnectMost = std::chrono::seconds(5);

}  // namespace akm::dbus::limits
