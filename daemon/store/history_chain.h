#pragma once
// What makes the history tamper-evident: each row's digest covers the row and the digest before it.
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"

namespace akm::store {

using ChainDigest = std::array<std::uint8_t, 32>;

/// A change as it stands in the database.
struct HistoryRow {
  std::uint64_t revision = 0;
  std::int64_t unix_ns = 0;
  std::string who;
  std::uint64_t rollback_to = 0;
  std::string kind;
  std::string id;
  std::optional<std::string> was;
  std::optional<std::string> became;
};

/// (kind, id, slot) of each secret, and the number of the writing that it is of.
using SecretNumbers = std::map<std::tuple<std::string, std::string, std::string>, std::uint64_t>;

/// Two keys for two purposes, derived from the key of the database.
class ChainKeys {
 public:
  static Result<ChainKeys> derive(const SecretBytes<32>& database_key);
  /// HMAC-SHA-256 over `before` and the row, every part with its length.
  [[nodiscard]] Result<ChainDigest> extend(const ChainDigest& before, const HistoryRow& row) const;
  /// Where the chain over the rows that were kept before a checkpoint begins.
  [[nodiscard]] Result<ChainDigest> checkpoint(std::uint64_t revision, const ChainDigest& digest,
                                               std::int64_t unix_ns, std::string_view who) const;
  /// Over which secrets there are and how new each of them is.
  [[nodiscard]] Result<ChainDigest> list(std::uint64_t secrets_written, const SecretNumbers& secrets) const;
  [[nodiscard]] const SecretBytes<32>& sealing() const { return sealing_; }

 private:
  SecretBytes<32> chain_;
  SecretBytes<32> sealing_;
};

}  // namespace akm::store
