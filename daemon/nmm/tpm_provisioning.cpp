#include "daemon/nmm/tpm_provisioning.h"

#include <utility>

#include "daemon/base/message_ids.h"

namespace akm::nmm {

void TpmProvisioning::announce(const std::string& node_name, const WrittenForTpm& known) {
  core_.announce("tpm-identity-used", known.certified ? 5 : 4, message_id::kStateChanged,
                 known.certified ? "A node's TPM is certified by its vendor."
                                 : "Nobody certifies that a node's endorsement key is one of a TPM.",
                 0,
                 {{"node", node_name},
                  {"fingerprint", known.fingerprint},
                  {"endorsement_key", known.endorsement_key},
                  {"certified", known.certified ? "yes" : "no"},
                  {"certificate", known.certificate}});
}

void TpmProvisioning::prepare(ControlPort::PrepareForTpm what, Reply<ControlPort::PreparedForTpm> reply) {
  TpmAsked asked{what.node_name,
                 std::move(what.identity),
                 what.place,
                 core_.settings.tpm_roots,
                 core_.settings.ek_certificate_required,
                 core_.settings.ek_certificate_in_time};
  write_tpm_bundle(
      core_.run_aside, std::move(asked),
      [this, name = what.node_name, endpoints = what.node_endpoints](
          const protocol::NodeIdentity& identity, const WrittenForTpm& known, service::BundleReply made) {
        ControlPort::Prepare prepare;
        prepare.node_name = name;
        prepare.node_endpoints = endpoints;
        prepare.hardware_value.assign(identity.hardware_value.begin(), identity.hardware_value.end());
        prepare.attestation_key = identity.attestation_key;
        auto content = provisioner_.prepare(prepare);
        if (content) announce(name, known);
        made(std::move(content));
        settle_();
      },
      [reply = std::move(reply)](Result<WrittenForTpm> written) mutable {
        if (!written) return reply(std::unexpected(written.error()));
        ControlPort::PreparedForTpm out;
        out.node_id = written->id;
        out.path = std::move(written->path);
        out.fingerprint = std::move(written->fingerprint);
        out.digest = std::move(written->digest);
        out.certified = written->certified;
        out.certificate = std::move(written->certificate);
        out.pcr_digest = written->pcr_digest;
        reply(std::move(out));
      });
}

}  // namespace akm::nmm
