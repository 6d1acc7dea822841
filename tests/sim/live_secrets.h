#pragma once
// Every secret that is alive in this process, and whose it is. live_secrets.cpp takes the place of
// daemon/base/secret.cpp in the simulator: the same promises, on the heap and with a list, so that "erased"
// is a question that can be asked. It takes the place of the observer of secrets too.
#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_set>

namespace akm::sim {

/// Who is being stepped: the machine's number from 1; 0 is the simulator itself.
using Owner = std::uint32_t;

/// While it lives, what is allocated and derived in this thread belongs to `owner`.
class OwnerScope {
 public:
  explicit OwnerScope(Owner owner);
  ~OwnerScope();
  OwnerScope(const OwnerScope&) = delete;
  OwnerScope& operator=(const OwnerScope&) = delete;

 private:
  Owner before_;
};

/// Stands for a secret in the simulator's books.
using SecretName = std::uint64_t;
[[nodiscard]] SecretName name_of(std::span<const std::uint8_t> secret);

/// What a machine has derived: PDVs, seeds, session secrets and PRKs, since reset_secrets().
[[nodiscard]] const std::unordered_set<SecretName>& derived_by(Owner owner);
struct LiveCount {
  std::size_t bytes = 0;
  std::size_t pdvs = 0;  // buffers of 128 bytes
};
[[nodiscard]] LiveCount live_count(Owner owner);
/// Calls `visit` with each live secret of one owner.
void each_live(Owner owner, void (*visit)(void* context, std::span<const std::uint8_t>), void* context);
/// Before a history; `owners` are the highest owner and one.
void reset_secrets(std::size_t owners);

}  // namespace akm::sim
