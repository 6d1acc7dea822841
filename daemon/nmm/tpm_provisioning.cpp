#include "daemon/nmm/tpm_provisioning.h"

#include <memory>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/base/wall_time.h"
#include "daemon/crypto/certificate.h"
#include "daemon/crypto/digest.h"
#include "daemon/nmm/bundle_drive.h"
#include "daemon/nmm/tpm_roots.h"
#include "daemon/protocol/tpm_bundle.h"

namespace akm::nmm {
namespace {

std::string words_for(const crypto::EndorsementCertificate& found) {
  std::string out = found.root + "; " + found.revocation;
  // Whose clock it is, is said: nothing proves it.
  if (!found.out_of_time.empty()) out += "; by the clock of this machine, " + found.out_of_time;
  return out;
}

}  // namespace

/// What the thread aside works on: it may outlive the call, and knows nothing of the NMM.
struct TpmProvisioning::Work {
  ControlPort::PrepareForTpm what;
  Reply<ControlPort::PreparedForTpm> reply;
  std::string roots;
  bool in_time = false;  // the certificates must be
  protocol::NodeIdentity identity;
  protocol::CheckedIdentity checked;  // borrows from the identity
  protocol::BundleContent content;
  std::optional<BundleTarget> target;
  ControlPort::PreparedForTpm out;

  Status check() {
    AKM_TRY(check_node_name(what.node_name));
    AKM_ASSIGN(identity, protocol::NodeIdentity::decode(what.identity));
    AKM_ASSIGN(checked, protocol::check_identity(identity));
    out.fingerprint = hex(crypto::sha256({what.identity}));
    out.pcr_digest = checked.state.pcr_digest;
    return {};
  }
  /// Is it a genuine TPM? What stands against it is told, and the configuration says whether it matters.
  Status judge() {
    AKM_ASSIGN(target, BundleTarget::open(what.place, false));
    AKM_TRY(check_bundle_place(*target, what.node_name));
    if (identity.endorsement_certificate.empty()) {
      out.certificate = "the TPM has no certificate of its endorsement key";
      return {};
    }
    const auto trusted = read_tpm_roots(roots);
    const auto found = trusted ? crypto::verify_endorsement_certificate(identity.endorsement_certificate,
                                                                        checked.endorsement_key.key, *trusted,
                                                                        wall_time_ns() / 1'000'000'000)
                               : std::unexpected(trusted.error());
    out.certified = found && (found->out_of_time.empty() || !in_time);
    out.certificate = found ? words_for(*found) : found.error().message();
    return {};
  }
  Status seal() {
    SystemRandom random;
    AKM_ASSIGN(const auto bytes, protocol::seal_tpm_bundle(content, identity, checked, random));
    out.digest = hex(crypto::sha256({bytes}));
    AKM_ASSIGN(out.path, write_bundle_file(*target, what.node_name, bytes));
    target.reset();  // unmounted before anybody is told that it is done
    return {};
  }
  void answer(const Status& done) {
    target.reset();
    reply(done ? Result<ControlPort::PreparedForTpm>(std::move(out)) : std::unexpected(done.error()));
  }
};

void TpmProvisioning::announce(const Work& work) {
  const std::uint8_t severity = work.out.certified ? 5 : 4;
  core_.announce("tpm-identity-used", severity, message_id::kStateChanged,
                 work.out.certified ? "A node's TPM is certified by its vendor."
                                    : "Nobody certifies that a node's endorsement key is one of a TPM.",
                 0,
                 {{"node", work.what.node_name},
                  {"fingerprint", work.out.fingerprint},
                  {"endorsement_key", hex(work.checked.endorsement_key.name)},
                  {"certified", work.out.certified ? "yes" : "no"},
                  {"certificate", work.out.certificate}});
}

/// Wrapping takes milliseconds, and the drive what it likes: not on the loop thread.
Status TpmProvisioning::seal_aside(const SharedWork& work) {
  if (!work->out.certified && core_.settings.ek_certificate_required)
    return fail(Errc::refused_by_policy, "endorsement certificate: " + work->out.certificate);
  ControlPort::Prepare what;
  what.node_name = work->what.node_name;
  what.node_endpoints = work->what.node_endpoints;
  what.hardware_value.assign(work->identity.hardware_value.begin(), work->identity.hardware_value.end());
  what.attestation_key = work->identity.attestation_key;
  AKM_ASSIGN(work->content, provisioner_.prepare(what));
  work->out.node_id = work->content.identity.node_id;
  announce(*work);
  return core_.run_aside([work]() -> keyring::TpmWorker::Completion {
    Status done = work->seal();
    return [work, done = std::move(done)] { work->answer(done); };
  });
}

Status TpmProvisioning::judge_aside(const SharedWork& work) {
  AKM_TRY(work->check());
  work->roots = core_.settings.tpm_roots;
  work->in_time = core_.settings.ek_certificate_in_time;
  return core_.run_aside([this, work]() -> keyring::TpmWorker::Completion {
    Status judged = work->judge();
    return [this, work, judged = std::move(judged)] {
      const Status going = judged ? seal_aside(work) : judged;
      if (!going) work->answer(going);
      settle_();
    };
  });
}

void TpmProvisioning::prepare(ControlPort::PrepareForTpm what, Reply<ControlPort::PreparedForTpm> reply) {
  auto work = std::make_shared<Work>();
  work->what = std::move(what);
  work->reply = std::move(reply);
  if (const Status begun = judge_aside(work); !begun) work->answer(begun);
}

}  // namespace akm::nmm
