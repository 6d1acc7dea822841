#pragma once
// A bundle that was used and may still be where it was found: the drive was pulled out, or the power went,
// between the storing of its credentials and its overwriting. It opens nowhere again, but it is a secret with
// only a code before it.
#include <functional>
#include <string>
#include <vector>

#include "daemon/node/node_record.h"
#include "daemon/service/bundle_source.h"

namespace akm::node {

/// Overwrites and removes it where it was, or on whichever drive `look` (may be null) finds it. not_found
/// when it is not there. Blocks: for a thread aside.
Status remove_leftover(const BundleLeftover& leftover, const std::vector<std::string>& also,
                       const std::function<std::vector<service::BundleOffer>()>& look);

}  // namespace akm::node
