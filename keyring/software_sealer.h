#pragma once
// Sealing without a secure element: a random key in a 0600 file. Who copies the disk opens everything, and
// description() says so.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "keyring/sealer.h"

namespace akm::keyring {

struct SoftwareSealerOptions {
  /// Folder of the files "software.key" (32 random bytes, 0600) and "incarnation"; made where it is missing.
  std::string state_folder;
  /// Optional: mixed into the sealing key (protocol section 7, hardware value), so that the files alone do
  /// not open on another machine. Not a secret. Empty: not bound.
  std::vector<std::uint8_t> machine_binding;
  /// Why not a TPM, for description(); may be empty.
  std::string reason;
};

class SoftwareSealer final : public Sealer {
 public:
  /// Touches no file; the key file is made by the first seal().
  explicit SoftwareSealer(SoftwareSealerOptions options) : options_(std::move(options)) {}

  [[nodiscard]] SealerKind kind() const override { return SealerKind::software; }
  [[nodiscard]] std::string description() const override;
  Result<std::vector<std::uint8_t>> seal(const StorageKey& key) override;
  Result<StorageKey> unseal(std::span<const std::uint8_t> bytes) override;
  /// Durable before it returns, so that a crash cannot give a number twice. Not guarded against a restored
  /// disk.
  Result<std::uint32_t> next_incarnation() override;
  /// The key file. The count stays: no identity that follows repeats a start.
  Result<std::vector<std::string>> erase(std::span<const std::uint8_t> blob) override;

 private:
  SoftwareSealerOptions options_;
};

}  // namespace akm::keyring
