#include "daemon/nmm/tpm_writing.h"

#include <memory>
#include <optional>
#include <utility>

#include "daemon/base/hex.h"
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

/// What the thread aside works on: it may outlive the call, and knows nothing of the role.
struct Work {
  TpmAsked asked;
  MakeForTpm make;
  Reply<WrittenForTpm> reply;
  protocol::NodeIdentity identity;
  protocol::CheckedIdentity checked;  // borrows from the identity
  protocol::BundleContent content;
  std::optional<BundleTarget> target;
  WrittenForTpm out;

  Status check() {
    AKM_TRY(check_node_name(asked.name));
    AKM_ASSIGN(identity, protocol::NodeIdentity::decode(asked.identity));
    AKM_ASSIGN(checked, protocol::check_identity(identity));
    out.fingerprint = hex(crypto::sha256({asked.identity}));
    out.endorsement_key = hex(checked.endorsement_key.name);
    out.pcr_digest = checked.state.pcr_digest;
    return {};
  }
  /// Is it a genuine TPM? What stands against it is told, and the configuration says whether it matters.
  Status look() {
    AKM_ASSIGN(target, BundleTarget::open(asked.place, false));
    AKM_TRY(check_bundle_place(*target, asked.name));
    if (identity.endorsement_certificate.empty()) {
      out.certificate = "the TPM has no certificate of its endorsement key";
    } else {
      const auto trusted = read_tpm_roots(asked.roots);
      const auto found = trusted ? crypto::verify_endorsement_certificate(
                                       identity.endorsement_certificate, checked.endorsement_key.key,
                                       *trusted, wall_time_ns() / 1'000'000'000)
                                 : std::unexpected(trusted.error());
      out.certified = found && (found->out_of_time.empty() || !asked.certificate_in_time);
      out.certificate = found ? words_for(*found) : found.error().message();
    }
    if (!out.certified && asked.certificate_required)
      return fail(Errc::refused_by_policy, "endorsement certificate: " + out.certificate);
    return {};
  }
  void make_content(service::BundleReply made) { make(identity, out, std::move(made)); }
  Status seal() {
    SystemRandom random;
    AKM_ASSIGN(const auto bytes, protocol::seal_tpm_bundle(content, identity, checked, random));
    out.id = content.identity.node_id;
    out.digest = hex(crypto::sha256({bytes}));
    AKM_ASSIGN(out.path, write_bundle_file(*target, asked.name, bytes));
    target.reset();  // unmounted before anybody is told that it is done
    return {};
  }
  void answer(const Status& done) {
    target.reset();
    reply(done ? Result<WrittenForTpm>(std::move(out)) : std::unexpected(done.error()));
  }
};

}  // namespace

void write_tpm_bundle(const service::RunAside& run_aside, TpmAsked asked, MakeForTpm make,
                      Reply<WrittenForTpm> reply) {
  const auto work = std::make_shared<Work>();
  work->asked = std::move(asked);
  work->make = std::move(make);
  work->reply = std::move(reply);
  if (const Status fine = work->check(); !fine) return work->answer(fine);
  // Wrapping takes milliseconds, and the drive what it likes: not on the loop thread.
  service::make_in_steps(run_aside, work);
}

}  // namespace akm::nmm
