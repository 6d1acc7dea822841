#include "dbus/direct_offer.h"

#include "dbus/limits.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kSources = 64;

}  // namespace

void append_offer(Writer& out, const DirectOffer& offer) {
  out.u64(offer.handle).text(offer.fingerprint).bytes(offer.hardware_value);
  out.pairs('r', offer.sources).boolean(offer.confirm);
}

Result<DirectOffer> read_offer(Reader& in) {
  DirectOffer offer;
  AKM_ASSIGN(offer.handle, in.u64());
  AKM_ASSIGN(offer.fingerprint, in.text(limits::kNameBytes));
  AKM_ASSIGN(offer.hardware_value, in.bytes(limits::kHardwareValueBytes));
  AKM_ASSIGN(offer.sources, in.pairs('r', kSources));
  AKM_ASSIGN(offer.confirm, in.boolean());
  return offer;
}

}  // namespace akm::dbus
