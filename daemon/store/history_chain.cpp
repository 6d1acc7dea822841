#include "daemon/store/history_chain.h"

#include <array>
#include <string_view>
#include <vector>

#include "daemon/base/cursor.h"
#include "daemon/crypto/hkdf.h"
#include "daemon/crypto/secret_observer.h"

namespace akm::store {
namespace {

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as the bytes that they are
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Parts with their lengths, so that no two rows give the same bytes.
class Parts {
 public:
  explicit Parts(std::string_view purpose) { text(purpose); }
  void number(std::uint64_t value) {
    std::array<std::uint8_t, sizeof(value)> bytes{};
    Writer(bytes).u64(value);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void text(std::string_view value) {
    number(value.size());
    const auto bytes = bytes_of(value);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void text(const std::optional<std::string>& value) {
    number(value ? 1 : 0);
    if (value) text(std::string_view(*value));
  }
  [[nodiscard]] Result<ChainDigest> mac(const SecretBytes<32>& key,
                                        std::span<const std::uint8_t> before) const {
    ChainDigest out{};
    AKM_TRY(crypto::hmac(crypto::Hash::sha256, key.reveal(), {before, bytes_}, out));
    return out;
  }

 private:
  std::vector<std::uint8_t> bytes_;
};

}  // namespace

Result<ChainKeys> ChainKeys::derive(const SecretBytes<32>& database_key) {
  ChainKeys out;
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, database_key.reveal(),
                              {bytes_of("akm database history 1")}, out.chain_.reveal_mutable()));
  AKM_TRY(crypto::hkdf_expand(crypto::Hash::sha256, database_key.reveal(),
                              {bytes_of("akm database secrets 1")}, out.sealing_.reveal_mutable()));
  crypto::observe_secret("database history key", out.chain_.reveal());
  crypto::observe_secret("database sealing key", out.sealing_.reveal());
  return out;
}

Result<ChainDigest> ChainKeys::extend(const ChainDigest& before, const HistoryRow& row) const {
  Parts parts("change");
  parts.number(row.revision);
  parts.number(static_cast<std::uint64_t>(row.unix_ns));
  parts.text(std::string_view(row.who));
  parts.number(row.rollback_to);
  parts.text(std::string_view(row.kind));
  parts.text(std::string_view(row.id));
  parts.text(row.was);
  parts.text(row.became);
  return parts.mac(chain_, before);
}

Result<ChainDigest> ChainKeys::checkpoint(std::uint64_t revision, const ChainDigest& digest,
                                          std::int64_t unix_ns, std::string_view who) const {
  Parts parts("checkpoint");
  parts.number(revision);
  parts.number(static_cast<std::uint64_t>(unix_ns));
  parts.text(who);
  return parts.mac(chain_, digest);
}

Result<ChainDigest> ChainKeys::list(std::uint64_t secrets_written, const SecretNumbers& secrets) const {
  Parts parts("secrets");
  parts.number(secrets_written);
  for (const auto& [name, number] : secrets) {
    parts.text(std::string_view(std::get<0>(name)));
    parts.text(std::string_view(std::get<1>(name)));
    parts.text(std::string_view(std::get<2>(name)));
    parts.number(number);
  }
  return parts.mac(chain_, {});
}

}  // namespace akm::store
