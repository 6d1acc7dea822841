#include "daemon/nmm/record_codec.h"

#include <criterion/criterion.h>

#include "daemon/protocol/cbor.h"
#include "tests/unit/nmm/records.h"

using namespace akm;
using namespace akm::nmm;
using namespace akm::nmm::test;

namespace {

NodeRecord full_node() {
  NodeRecord record = node_record(5, "e");
  record.state = NodeState::quarantined;
  record.serial = 9;
  record.activated_serial = 8;
  record.prepared_at_s = 1234567;
  record.version = "0.1.0";
  record.evicted_from = {1, 2, UINT64_MAX};
  record.quarantine_pending = true;
  record.peer = "198.51.100.1:9";
  record.attestation_key = {1, 2, 3};
  record.pcr_digest = protocol::Digest32{4};
  record.golden_pcrs = true;
  return record;
}

AsrRecord full_asr() {
  AsrRecord record = asr_record(77, {1, 2, 3});
  record.description.generation = 41;
  record.description.policy.rekey_interval_s = 60;
  record.description.roster[1].endpoints = {"192.0.2.2:7400", "[2001:db8::2]:7400"};
  record.complete = true;
  record.immediate = true;
  record.rotation_pending = true;
  record.reason = Reason::breach;
  record.installed_at_s = 99;
  record.leaving = {4, 5};
  record.policy_pending = {1, 3};
  return record;
}

}  // namespace

Test(record_codec, node_comes_back_whole) {
  const NodeRecord in = full_node();
  const auto out = decode_node_record(encode_node_record(in));
  cr_assert(out.has_value());
  cr_assert_eq(out->node_id, in.node_id);
  cr_assert_eq(out->name, in.name);
  cr_assert(out->state == in.state);
  cr_assert_eq(out->provisioning_asr, in.provisioning_asr);
  cr_assert_eq(out->serial, in.serial);
  cr_assert_eq(out->golden_pcrs, in.golden_pcrs);
  cr_assert_eq(out->activated_serial, in.activated_serial);
  cr_assert(out->hardware_value == in.hardware_value);
  cr_assert(out->endpoints == in.endpoints);
  cr_assert_eq(out->prepared_at_s, in.prepared_at_s);
  cr_assert_eq(out->version, in.version);
  cr_assert(out->evicted_from == in.evicted_from);
  cr_assert_eq(out->quarantine_pending, in.quarantine_pending);
  cr_assert_eq(out->peer, in.peer);
  cr_assert(out->attestation_key == in.attestation_key);
  cr_assert(out->pcr_digest == in.pcr_digest);
  const auto without = decode_node_record(encode_node_record(node_record(5, "e")));
  cr_assert(without->attestation_key.empty());
  cr_assert(!without->pcr_digest);
}

Test(record_codec, asr_comes_back_whole) {
  const AsrRecord in = full_asr();
  const auto out = decode_asr_record(encode_asr_record(in));
  cr_assert(out.has_value());
  cr_assert_eq(out->description.id, in.description.id);
  cr_assert_eq(out->description.label, in.description.label);
  cr_assert_eq(out->description.generation, in.description.generation);
  cr_assert(out->description.roster == in.description.roster);
  cr_assert(out->description.policy == in.description.policy);
  cr_assert(out->policy_pending == in.policy_pending);
  cr_assert_eq(out->complete, in.complete);
  cr_assert_eq(out->immediate, in.immediate);
  cr_assert_eq(out->rotation_pending, in.rotation_pending);
  cr_assert(out->reason == in.reason);
  cr_assert_eq(out->installed_at_s, in.installed_at_s);
  cr_assert(out->leaving == in.leaving);
  cr_assert_not(out->deleted);
}

Test(record_codec, that_a_relationship_is_unconfirmed_is_kept_and_costs_the_others_nothing) {
  AsrRecord in = full_asr();
  const auto confirmed = encode_asr_record(in);
  cr_assert_not(decode_asr_record(confirmed)->unconfirmed);
  in.unconfirmed = true;
  const auto bytes = encode_asr_record(in);
  const auto out = decode_asr_record(bytes);
  cr_assert(out && out->unconfirmed, "%s", out ? "" : out.error().message().c_str());
  cr_assert_gt(bytes.size(), confirmed.size());
}

Test(record_codec, a_deleted_relationship_may_have_no_roster) {
  AsrRecord in = full_asr();
  in.deleted = true;
  in.description.roster.clear();
  const auto out = decode_asr_record(encode_asr_record(in));
  cr_assert(out.has_value());
  cr_assert(out->deleted);
  in.deleted = false;
  cr_assert(decode_asr_record(encode_asr_record(in)).error().code == Errc::state_corrupt);
}

Test(record_codec, every_truncation_is_refused) {
  for (const auto& bytes : {encode_node_record(full_node()), encode_asr_record(full_asr())}) {
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      const std::span<const std::uint8_t> part(bytes.data(), n);
      cr_assert_not(decode_node_record(part).has_value());
      cr_assert_not(decode_asr_record(part).has_value());
    }
  }
}

Test(record_codec, one_kind_is_not_the_other) {
  cr_assert(decode_node_record(encode_asr_record(full_asr())).error().code == Errc::state_corrupt);
  cr_assert(decode_asr_record(encode_node_record(full_node())).error().code == Errc::state_corrupt);
}

Test(record_codec, an_unknown_field_is_skipped_and_a_missing_one_is_not) {
  protocol::CborWriter writer;
  writer.map(5);
  writer.text("id");
  writer.unsigned_integer(5);
  writer.text("asr");
  writer.unsigned_integer(6);
  writer.text("new");
  writer.array(1);
  writer.text("of a later version");
  writer.text("name");
  writer.text("e");
  writer.text("serial");
  writer.unsigned_integer(1);
  const auto bytes = writer.take();
  const auto out = decode_node_record(bytes);
  cr_assert(out.has_value());
  cr_assert_eq(out->name, "e");

  protocol::CborWriter lacking;
  lacking.map(1);
  lacking.text("id");
  lacking.unsigned_integer(5);
  cr_assert(decode_node_record(lacking.take()).error().code == Errc::state_corrupt);
}
