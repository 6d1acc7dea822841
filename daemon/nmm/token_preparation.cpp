#include "daemon/nmm/token_preparation.h"

#include <utility>

#include "daemon/service/token_writing.h"

namespace akm::nmm {

void TokenPreparation::start(ControlPort::Prepare what, const std::string& uri, const UniqueFd& pin,
                             Reply<ControlPort::PreparedOnToken> reply) {
  if (const Status fit = provisioner_.check(what); !fit) return reply(std::unexpected(fit.error()));
  const std::string name = what.node_name;
  service::write_token(
      core_.run_aside, {core_.settings.pkcs11_module, uri}, pin, name,
      [this, what = std::move(what)](service::BundleReply made) {
        made(provisioner_.prepare(what));
        after_();
      },
      [reply = std::move(reply)](Result<service::WrittenToken> written) mutable {
        if (!written) return reply(std::unexpected(written.error()));
        reply(ControlPort::PreparedOnToken{written->id, std::move(written->token), written->sealed});
      });
}

}  // namespace akm::nmm
