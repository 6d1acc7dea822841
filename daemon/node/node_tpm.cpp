// Section 7, TPM import: what the node tells of its TPM, and the bundle that only this TPM opens. Done aside:
// a TPM takes its time.
#include <memory>
#include <utility>

#include "daemon/node/node.h"
#include "daemon/node/tpm_import.h"
#include "daemon/service/aside_worker.h"

namespace akm::node {

void Node::tpm_identity(Reply<TpmIdentity> reply) {
  const TpmWays& tpm = parts_.hardware.tpm();
  if (!tpm.identity || !tpm.quoter) return reply(fail(Errc::not_supported, "this node has no TPM"));
  auto hardware = parts_.hardware.identity();
  if (!hardware) return reply(std::unexpected(hardware.error()));
  service::reply_aside<TpmIdentity>(
      parts_.run_aside, [tpm, hardware = std::move(*hardware)] { return make_tpm_identity(tpm, hardware); },
      std::move(reply));
}

void Node::provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                                   Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto hardware = parts_.hardware.value();
  if (!hardware) return done(std::unexpected(hardware.error()));
  import_->from_sealed_file({path, settings_.drives_also},
                            open_for_tpm(parts_.hardware.tpm(), *hardware, digest), std::move(done));
}

}  // namespace akm::node
