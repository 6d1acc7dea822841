#include "daemon/protocol/node_identity.h"

#include <criterion/criterion.h>

#include <functional>

#include "tests/support/paper_identity.h"

using namespace akm;
using namespace akm::protocol;
using akm::testing::PaperIdentity;

namespace {

void expect(const NodeIdentity& identity, Errc code, const char* what) {
  const auto checked = check_identity(identity);
  cr_expect_not(checked.has_value(), "%s", what);
  if (!checked) cr_expect_eq(checked.error().code, code, "%s: %s", what, checked.error().message().c_str());
}

}  // namespace

Test(node_identity, comes_back_whole_and_checks_out) {
  for (const bool certified : {false, true}) {
    PaperIdentity paper;
    if (certified) paper.certificate.assign(700, 0x30);
    const NodeIdentity identity = paper.make();
    const auto again = NodeIdentity::decode(identity.encode());
    cr_assert(again.has_value(), "%s", again.has_value() ? "" : again.error().message().c_str());
    cr_assert(again->encode() == identity.encode());
    cr_assert(again->digest() == identity.digest());
    const auto checked = check_identity(*again);
    cr_assert(checked.has_value(), "%s", checked.has_value() ? "" : checked.error().message().c_str());
    cr_assert(checked->state.pcr_digest == paper.tpm.pcr_digest);
    cr_assert(checked->attestation_key == *tpm_name(identity.attestation_key));
  }
}

Test(node_identity, each_field_is_signed) {
  const PaperIdentity paper;
  const PaperIdentity other;
  const NodeIdentity good = paper.make();
  const NodeIdentity foreign = other.make();
  const std::vector<std::pair<const char*, std::function<void(NodeIdentity&)>>> changes = {
      {"ek", [&](NodeIdentity& i) { i.endorsement_key = foreign.endorsement_key; }},
      {"sk", [&](NodeIdentity& i) { i.storage_key = foreign.storage_key; }},
      {"ak", [&](NodeIdentity& i) { i.attestation_key = foreign.attestation_key; }},
      {"hw", [&](NodeIdentity& i) { i.hardware_value[0] ^= 1; }},
      {"certificate", [&](NodeIdentity& i) { i.endorsement_certificate = {1}; }},
      {"source", [&](NodeIdentity& i) { i.sources[1].value += "0"; }},
      {"source gone", [&](NodeIdentity& i) { i.sources.pop_back(); }},
      {"quote", [&](NodeIdentity& i) { i.quote = foreign.quote; }},
      {"signature", [&](NodeIdentity& i) { i.signature = foreign.signature; }},
  };
  for (const auto& [name, change] : changes) {
    NodeIdentity changed = good;
    change(changed);
    expect(changed, Errc::not_authentic, name);
  }
}

Test(node_identity, what_is_signed_has_to_fit_together) {
  const PaperIdentity paper;
  NodeIdentity identity = paper.make();
  identity.hardware_value[5] ^= 1;
  paper.sign(identity);
  expect(identity, Errc::hardware_mismatch, "hardware value of other sources");
  identity = paper.make();
  identity.sources[0].value[10] = identity.sources[0].value[10] == '0' ? '1' : '0';
  identity.hardware_value = *hardware_value(identity.sources);
  paper.sign(identity);
  expect(identity, Errc::hardware_mismatch, "name of another endorsement key");
  const PaperIdentity rsa(true);
  identity = rsa.make();
  identity.sources[0].value = std::string(68, 'a');
  identity.hardware_value = *hardware_value(identity.sources);
  rsa.sign(identity);
  cr_assert(check_identity(identity).has_value(), "the sources name the ECC key beside it");
}

Test(node_identity, keys_of_another_kind_are_refused_though_signed) {
  PaperIdentity paper;
  paper.endorsement_attributes &= ~(1U << 1);
  expect(paper.make(), Errc::not_authentic, "EK without fixedTPM");
  paper.endorsement_attributes = testing::kEndorsementAttributes;
  paper.storage_attributes &= ~(1U << 4);
  expect(paper.make(), Errc::not_authentic, "SK without fixedParent");
  paper.storage_attributes = testing::kStorageAttributes;
  paper.tpm.attributes &= ~(1U << 16);
  expect(paper.make(), Errc::not_authentic, "AK that is not restricted");
}

Test(node_identity, a_file_is_bounded_and_closed) {
  const PaperIdentity paper;
  Body bytes = paper.make().encode();
  for (std::size_t size = 0; size < bytes.size(); ++size)
    cr_assert_not(NodeIdentity::decode(std::span(bytes).first(size)).has_value(), "%zu", size);
  bytes.push_back(0);
  cr_assert_eq(NodeIdentity::decode(bytes).error().code, Errc::malformed);
  cr_assert_eq(NodeIdentity::decode(Body(kNodeIdentityBytes + 1)).error().code, Errc::too_large);
  NodeIdentity large = paper.make();
  large.endorsement_certificate.assign(kEndorsementCertificateBytes + 1, 0x30);
  cr_assert_eq(NodeIdentity::decode(large.encode()).error().code, Errc::malformed);
  NodeIdentity empty = paper.make();
  empty.quote.clear();
  cr_assert_eq(NodeIdentity::decode(empty.encode()).error().code, Errc::malformed);
}
