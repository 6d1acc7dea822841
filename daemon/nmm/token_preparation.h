#pragma once
// (b) of section 7: provisioning credentials of a node, written to a PKCS#11 token
// (service/token_writing.h).
#include <functional>
#include <string>

#include "daemon/base/unique_fd.h"
#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/provisioner.h"

namespace akm::nmm {

class TokenPreparation {
 public:
  /// `after` sends what preparing has gathered.
  TokenPreparation(Core& core, Provisioner& provisioner, std::function<void()> after)
      : core_(core), provisioner_(provisioner), after_(std::move(after)) {}
  void start(ControlPort::Prepare what, const std::string& uri, const UniqueFd& pin,
             Reply<ControlPort::PreparedOnToken> reply);

 private:
  Core& core_;
  Provisioner& provisioner_;
  std::function<void()> after_;
};

}  // namespace akm::nmm
