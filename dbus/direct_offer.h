#pragma once
// DirectOffer on the bus, (t handle, s fingerprint, ay value, a(ss) sources, b confirm): what BeginDirect of
// an NMM and of a Root answer.
#include "daemon/base/direct_offer.h"
#include "daemon/base/result.h"
#include "dbus/message.h"

namespace akm::dbus {

void append_offer(Writer& out, const DirectOffer& offer);
/// malformed when a part is longer than it can be.
Result<DirectOffer> read_offer(Reader& in);

}  // namespace akm::dbus
