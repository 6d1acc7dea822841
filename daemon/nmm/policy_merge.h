#pragma once
// Several relationships of one node, each with a policy on detections of its own: a detection concerns the
// machine, and so all of them. Who is in a lax one must not become weaker for a strict one, so that the
// strictest word holds.
#include <vector>

#include "daemon/protocol/detection_policy.h"

namespace akm::nmm {

/// Key by key: what is enforced, the higher grade, all responses, more answers in less time, each
/// combination; what excuses (allow-lists, maintenance) only where all say it. Of two hooks the first holds.
/// One policy stays as it is.
protocol::DetectionPolicy strictest(const std::vector<protocol::DetectionPolicy>& policies);

}  // namespace akm::nmm
