#include "daemon/protocol/zeroize_receipt.h"

#include "daemon/base/hex.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::protocol {
namespace {

constexpr std::string_view kLabel("akm1 receipt\0", 13);
constexpr std::string_view kMacField = ",\"mac\":\"";
constexpr std::string_view kEnd = "\"}";

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string list_of(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const std::string& name : names) out += (out.size() > 1 ? ",\"" : "\"") + name + "\"";
  return out + "]";
}

/// HKDF-Extract is HMAC (RFC 5869, 2.2).
Result<std::string> mac_of(std::string_view text, const ReceiptKey& key) {
  AKM_ASSIGN(const SecretBuffer mac,
             crypto::hkdf_extract(crypto::Hash::sha256, key.reveal(), {bytes_of(text)}));
  return hex(mac.reveal());
}

}  // namespace

Result<ReceiptKey> receipt_key(const ChainState& failsafe) {
  AKM_ASSIGN(const SecretBuffer key, crypto::hkdf_extract(crypto::Hash::sha256, bytes_of(kLabel),
                                                          {failsafe.pdv.reveal(), failsafe.seed.reveal()}));
  crypto::observe_secret("receipt key", key.reveal());
  return ReceiptKey::copy_of(key.reveal().first<32>());
}

Result<std::string> ZeroizeReceipt::seal(const ReceiptKey& key) const {
  const std::string text = "{\"akm-zeroize\":1,\"node\":\"" + hex_id(node_id) + "\",\"nmm\":\"" +
                           hex_id(nmm_id) + "\",\"serial\":" + std::to_string(serial) +
                           ",\"start\":" + std::to_string(incarnation) + ",\"erased\":" + list_of(erased) +
                           ",\"last\":" + list_of(last) + ",\"failed\":" + list_of(failed);
  AKM_ASSIGN(const std::string mac, mac_of(text, key));
  std::string line = text + std::string(kMacField) + mac + std::string(kEnd);
  if (line.size() > kReceiptBytes) return fail(Errc::too_large, "receipt");
  return line;
}

Status check_receipt(std::string_view line, const ReceiptKey& key) {
  const std::size_t at = line.rfind(kMacField);
  if (line.size() > kReceiptBytes || at == std::string_view::npos || !line.ends_with(kEnd))
    return fail(Errc::malformed, "no receipt");
  const std::string_view given = line.substr(at + kMacField.size());
  AKM_ASSIGN(const std::string mac, mac_of(line.substr(0, at), key));
  if (!equal_in_constant_time(bytes_of(given), bytes_of(mac + std::string(kEnd))))
    return fail(Errc::not_authentic, "the receipt is not of this node and serial");
  return {};
}

}  // namespace akm::protocol
