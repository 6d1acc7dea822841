#include "daemon/nmm/tpm_provisioning.h"

#include <criterion/criterion.h>

#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "daemon/protocol/tpm_bundle.h"
#include "tests/support/paper_certificate.h"
#include "tests/support/paper_identity.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/nmm/nmm_net.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;
using akm::testing::PaperIdentity;
using akm::testing::PaperVendor;
using protocol::ControlStatus;
using Prepared = Result<ControlPort::PreparedForTpm>;
using std::chrono::seconds;

TestSuite(tpm_provisioning, .init = quiet);

namespace {

struct Bench {
  akm::test::TemporaryFolder folder;
  NmmNet net;

  explicit Bench(bool certificate_required = false,
                 protocol::Attestation attestation = protocol::Attestation::none)
      : net(1, settings(certificate_required, attestation)) {
    std::filesystem::create_directory(folder.file("drive"));
  }
  NmmSettings settings(bool certificate_required, protocol::Attestation attestation) const {
    NmmSettings out;
    out.ek_certificate_required = certificate_required;
    out.tpm_roots = folder.file("roots");
    out.policy.attestation = attestation;
    return out;
  }
  void trust(const PaperVendor& vendor) const {
    int number = 0;
    for (const auto& pem : {vendor.root(), vendor.between()})
      (void)folder.write("roots/" + std::to_string(number++) + ".pem", std::string(pem.begin(), pem.end()));
  }
  Prepared prepare(const std::vector<std::uint8_t>& identity) {
    std::optional<Prepared> out;
    net.nmm->prepare_for_tpm({"n0", {"10.0.1.1:7400"}, identity, folder.file("drive")},
                             [&out](Prepared result) { out = std::move(result); });
    for (int hops = 0; hops < 3; ++hops) net.run_aside();
    cr_assert(out.has_value());
    return std::move(*out);
  }
};

}  // namespace

Test(tpm_provisioning, a_bundle_is_written_for_the_tpm_and_what_nobody_certifies_is_said) {
  Bench bench;
  const PaperIdentity paper;
  const auto identity = paper.make();
  const auto made = bench.prepare(identity.encode());
  cr_assert(made.has_value(), "%s", made.has_value() ? "" : made.error().message().c_str());
  cr_assert_not(made->certified);
  cr_assert(made->certificate.contains("no certificate"), "%s", made->certificate.c_str());
  cr_assert(made->pcr_digest == paper.tpm.pcr_digest);
  const auto envelope = protocol::TpmEnvelope::decode(*read_file(made->path, protocol::kBundleBytes));
  cr_assert(envelope.has_value());
  cr_assert(envelope->hardware_value == identity.hardware_value);
  const EventRecord* event = bench.net.event("tpm-identity-used");
  cr_assert_not_null(event);
  cr_assert_eq(event->severity, 4);
  cr_assert_str_eq(event->fields.at("certified").c_str(), "no");
  cr_assert_str_eq(event->fields.at("fingerprint").c_str(), made->fingerprint.c_str());
  cr_assert_eq(bench.net.state_of("n0"), "prepared");
}

Test(tpm_provisioning, a_vendor_that_is_trusted_certifies) {
  Bench bench(true);
  const PaperVendor vendor;
  PaperIdentity paper;
  paper.certificate = vendor.certify(paper.endorsement_key());
  const auto untrusted = bench.prepare(paper.make().encode());
  cr_assert_eq(untrusted.error().code, Errc::refused_by_policy);
  bench.trust(vendor);
  const auto made = bench.prepare(paper.make().encode());
  cr_assert(made.has_value(), "%s", made.has_value() ? "" : made.error().message().c_str());
  cr_assert(made->certified);
  cr_assert(made->certificate.starts_with("CN=Vendor Root; no revocation list for 2 of 2 certificates; "),
            "%s", made->certificate.c_str());
  cr_assert(made->certificate.contains("by the clock of this machine, CN=TPM has expired on 2016-01-01"),
            "%s", made->certificate.c_str());
  cr_assert_eq(bench.net.event("tpm-identity-used")->severity, 5);
}

Test(tpm_provisioning, where_a_certificate_is_required_nothing_is_made_without) {
  Bench bench(true);
  const PaperVendor vendor;
  const PaperVendor other;
  bench.trust(vendor);
  PaperIdentity paper;
  cr_assert_eq(bench.prepare(paper.make().encode()).error().code, Errc::refused_by_policy);
  paper.certificate = other.certify(paper.endorsement_key());
  cr_assert_eq(bench.prepare(paper.make().encode()).error().code, Errc::refused_by_policy);
  const PaperIdentity another;
  paper.certificate = vendor.certify(another.endorsement_key());
  cr_assert_eq(bench.prepare(paper.make().encode()).error().code, Errc::refused_by_policy);
  cr_assert(bench.net.nmm->nodes().empty());
  cr_assert(std::filesystem::is_empty(bench.folder.file("drive")));
}

Test(tpm_provisioning, an_identity_that_does_not_check_out_uses_up_no_serial) {
  Bench bench;
  const PaperIdentity paper;
  auto changed = paper.make();
  changed.sources[1].value += "0";
  cr_assert_eq(bench.prepare(changed.encode()).error().code, Errc::not_authentic);
  cr_assert_eq(bench.prepare({1, 2, 3}).error().code, Errc::malformed);
  cr_assert_eq(bench.prepare(std::vector<std::uint8_t>(20'000)).error().code, Errc::too_large);
  (void)bench.folder.write("drive/n0.akmbundle", "there");
  cr_assert_eq(bench.prepare(paper.make().encode()).error().code, Errc::already_exists);
  bench.net.aside_full = true;
  cr_assert_eq(bench.prepare(paper.make().encode()).error().code, Errc::busy);
  cr_assert(bench.net.nmm->nodes().empty());
}

Test(tpm_provisioning, the_attestation_key_is_enrolled_from_the_first_activation_on) {
  Bench bench(false, protocol::Attestation::required);
  FakeNode& node = *bench.net.nodes[0];
  node.attests = true;
  PaperIdentity paper;  // whose TPM is not the one that the node quotes with
  const auto identity = paper.make();
  const auto made = bench.prepare(identity.encode());
  cr_assert(made.has_value());
  // The bundle opens in the TPM only: the node is given what is in it by the NMM's own hand.
  ControlPort::Prepare what{"n0", {identity.hardware_value.begin(), identity.hardware_value.end()}, {}};
  what.attestation_key = identity.attestation_key;
  const auto content = bench.net.nmm->provisioner().prepare(what);
  bench.net.nmm->settle();
  node.hardware = identity.hardware_value;
  node.provision(*content);
  node.activate();
  bench.net.run(seconds(1));
  cr_assert(node.last_response->status == ControlStatus::hardware_mismatch);
  cr_assert_str_eq(bench.net.event("activation-refused")->fields.at("reason").c_str(),
                   "the attestation key of another TPM");
}
