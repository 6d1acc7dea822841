#pragma once
// One relationship for people: how it stands, who has which generation and epoch, and what is waited for.
#include <string>

#include "daemon/base/control_types.h"

namespace akm::ctl {

/// Fits 80 columns, but for policies and names that are long themselves.
std::string asr_text(const AsrSnapshot& asr, bool nmm);

}  // namespace akm::ctl
