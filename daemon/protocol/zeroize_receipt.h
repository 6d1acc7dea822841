#pragma once
// The proof of a zeroize (section 7): one line of JSON that names what was erased, with a MAC under a key
// that the NMM can derive anew and that the node erases with the rest.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/protocol/asr.h"

namespace akm::protocol {

inline constexpr std::size_t kReceiptBytes = 2048;
using ReceiptKey = SecretBytes<32>;

/// From the failsafe chain as it was issued: HKDF-Extract("akm1 receipt" || 0x00, PDV_2 || seed_2).
Result<ReceiptKey> receipt_key(const ChainState& failsafe);

struct ZeroizeReceipt {
  NodeId node_id = 0;
  NodeId nmm_id = 0;
  std::uint32_t serial = 0;
  std::uint32_t incarnation = 0;
  std::vector<std::string> erased;  // names of a-z, 0-9, "-" and ":"
  std::vector<std::string> last;    // what goes right after this was written
  std::vector<std::string> failed;  // could not be erased
  /// The line, with the MAC.
  [[nodiscard]] Result<std::string> seal(const ReceiptKey& key) const;
};
/// not_authentic when it is not of this key, or was changed; malformed.
Status check_receipt(std::string_view line, const ReceiptKey& key);

}  // namespace akm::protocol
