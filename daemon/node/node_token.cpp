// Section 7, (b): the bundle comes on a PKCS#11 token.
#include <utility>

#include "daemon/node/node.h"

namespace akm::node {

void Node::provision_from_token(const std::string& uri, UniqueFd pin, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  import_->from_token({settings_.common.pkcs11_module, uri}, std::move(pin), std::move(done));
}

}  // namespace akm::node
