#include "daemon/service/handover.h"

#include <algorithm>

namespace akm::service {

Result<Handover::Shown> Handover::offer(std::span<const std::uint8_t> hardware, RandomSource& random,
                                        Instant now, protocol::NodeId nmm_id) {
  if (!lives(now)) {
    crypto::X25519PrivateKey drawn;
    AKM_TRY(random.fill(drawn.reveal_mutable()));
    std::ranges::copy(hardware.first(hardware_.size()), hardware_.begin());
    key_ = std::move(drawn);
  }
  AKM_ASSIGN(const crypto::X25519PublicKey shown, crypto::x25519_public(*key_));
  AKM_ASSIGN(fingerprint_, protocol::handover_fingerprint(shown, hardware_, nmm_id));
  until_ = now + kHandoverLasts;
  return Shown{{shown.begin(), shown.end()}, fingerprint_};
}

std::string Handover::fingerprint(Instant now) const {
  return lives(now) ? fingerprint_ : std::string();
}

Result<protocol::BundleContent> Handover::open(std::span<const std::uint8_t> sealed, Instant now) const {
  if (!lives(now)) return fail(Errc::wrong_state, "no credentials are expected: ask for an offer first");
  return protocol::open_handover(sealed, *key_, hardware_);
}

}  // namespace akm::service
