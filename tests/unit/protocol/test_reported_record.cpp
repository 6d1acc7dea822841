#include "daemon/protocol/reported_record.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::protocol;

namespace {

ReportedNode full_node() {
  ReportedNode out;
  out.change = 4;
  out.id = 7;
  out.provisioning_asr = 8;
  out.name = "pump";
  out.peer = "192.0.2.1:7400";
  out.state = 3;
  out.newest = {.serial = 2, .root = 2, .hardware_value = {1, 2}};
  out.prior = Derivation{.serial = 1, .root = 1, .hardware_value = {}};
  out.activated = 1;
  out.binding = true;
  out.version = "0.1.0";
  out.endpoints = {"192.0.2.1:7400", "192.0.2.2:7400"};
  out.evicted = {3, 9};
  out.attestation_key = {1, 2, 3};
  out.pcr_digest = Digest32{5};
  out.golden = true;
  out.zeroize = true;
  return out;
}

}  // namespace

Test(reported_record, a_node_comes_back_with_all_and_with_little) {
  const ReportedNode node = full_node();
  cr_assert(*ReportedNode::decode(node.encode()) == node);
  ReportedNode little;
  little.id = 1;
  little.provisioning_asr = 2;
  little.name = "n";
  little.newest.serial = 1;
  cr_assert(*ReportedNode::decode(little.encode()) == little);
}

Test(reported_record, a_node_without_ids_or_serial_is_refused) {
  for (const auto change :
       {+[](ReportedNode& n) { n.id = 0; }, +[](ReportedNode& n) { n.provisioning_asr = 0; },
        +[](ReportedNode& n) { n.newest.serial = 0; }, +[](ReportedNode& n) { n.name.clear(); },
        +[](ReportedNode& n) { n.state = 5; }}) {
    ReportedNode node = full_node();
    change(node);
    cr_assert_not(ReportedNode::decode(node.encode()).has_value());
  }
}

Test(reported_record, a_relationship_comes_back) {
  ReportedAsr asr;
  asr.change = 5;
  asr.id = 9;
  asr.label = "ring";
  asr.suite = Suite::hkdf_sha256_chacha20poly1305;
  asr.generation = 3;
  asr.roster = {{0, 7}, {4, 11}};
  asr.policy.rekey_interval_s = 60;
  cr_assert(*ReportedAsr::decode(asr.encode()) == asr);
  asr.generation = 0;
  cr_assert_not(ReportedAsr::decode(asr.encode()).has_value());
}

Test(reported_record, whatever_is_cut_off_is_malformed) {
  const auto whole = full_node().encode();
  for (std::size_t size = 0; size < whole.size(); ++size)
    cr_assert_not(ReportedNode::decode(BodyView(whole).first(size)).has_value(), "%zu", size);
}
