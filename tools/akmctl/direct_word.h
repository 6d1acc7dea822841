#pragma once
// The operator's part in a direct provisioning, of a node as of an NMM: the fingerprint is shown, compared,
// and confirmed.
#include <functional>
#include <string>
#include <string_view>

#include "daemon/base/direct_offer.h"
#include "daemon/base/result.h"
#include "tools/akmctl/session.h"

namespace akm::ctl {

struct DirectWord {
  std::string fingerprint;  // given beforehand
  bool yes = false;         // send without comparing
};

/// Shows the offer, asks where that is needed, and has `confirm` say the operator's word. Returns the id that
/// was answered. `look` is the command that shows the fingerprint on the other machine.
Result<std::uint64_t> confirm_offer(const Session& session, const DirectOffer& offer, const DirectWord& word,
                                    std::string_view look,
                                    const std::function<Result<std::uint64_t>(const std::string&)>& confirm);

}  // namespace akm::ctl
