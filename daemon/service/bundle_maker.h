#pragma once
// How a role makes the content of a bundle, when whoever carries it is ready: at once at an NMM, through its
// database at a Root. A serial is used up by it. What it leaves for the engine it sends by itself.
#include <functional>

#include "daemon/base/control_types.h"
#include "daemon/protocol/bundle.h"

namespace akm::service {

using BundleReply = Reply<protocol::BundleContent>;
using MakeBundle = std::move_only_function<void(BundleReply)>;

}  // namespace akm::service
