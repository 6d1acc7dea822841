#include "daemon/store/audit_record.h"

#include <criterion/criterion.h>

using namespace akm;
using namespace akm::store;

namespace {

AuditRecord sample() {
  AuditRecord out;
  out.number = 7;
  out.boottime_ns = 123456789;
  out.unix_ns = 1;
  out.start = 3;
  out.severity = 2;
  out.asr_id = 0xab;
  out.generation = 4;
  out.epoch = 5;
  out.incident = 0x1122334455667788;
  out.name = "breach-detected";
  out.fields = {{"class", "key-access"}, {"subject.pid", "42"}};
  return out;
}

AuditKey key_of(std::uint8_t byte) {
  SecretBytes<32> storage;
  storage.reveal_mutable()[0] = byte;
  return std::move(*AuditKey::derive(storage));
}

}  // namespace

Test(audit_record, comes_back_as_it_was) {
  AuditRecord record = sample();
  cr_assert(*decode_audit_body(encode_audit_body(record)) == record);
  record.seal = AuditDigest{9};
  cr_assert(*decode_audit_body(encode_audit_body(record)) == record);
}

Test(audit_record, every_byte_that_is_cut_or_added_is_noticed) {
  std::vector<std::uint8_t> body = encode_audit_body(sample());
  for (std::size_t size = 0; size < body.size(); ++size)
    cr_assert_not(decode_audit_body(std::span(body).first(size)).has_value());
  body.push_back(0);
  cr_assert_not(decode_audit_body(body).has_value());
}

Test(audit_record, what_is_too_long_is_cut_and_can_be_read) {
  AuditRecord record = sample();
  record.name = std::string(1000, 'n');
  record.fields.clear();
  for (int i = 0; i < 100; ++i)
    record.fields[std::string(90, 'k') + std::to_string(i)] = std::string(2000, 'v');
  record.fields["a"] = "two\nlines\x7f";
  record.fields["b"] = "\xff\xfe";
  for (int i = 0; i < 100; ++i) record.fields["c" + std::to_string(i)] = std::string(511, 'x') + "\xc3\xa4";
  const auto body = encode_audit_body(record);
  cr_assert_leq(body.size(), kAuditBodyBytes);
  const auto back = decode_audit_body(body);
  cr_assert(back.has_value());
  cr_assert_eq(back->name.size(), kAuditNameBytes);
  cr_assert_eq(back->fields.at("a"), "two?lines?");
  cr_assert_eq(back->fields.at("b"), "?");
  cr_assert_eq(back->fields.at("c1").size(), 511, "no half of a character");
}

Test(audit_record, a_frame_goes_on_from_the_head) {
  AuditHead head;
  const auto body = encode_audit_body(sample());
  const auto frame = audit_frame(head, body);
  cr_assert_eq(frame.size(), 4 + body.size() + 32);
  cr_assert_eq(head.number, 1);
  cr_assert(head.digest == chain_digest({}, body));
  const AuditHead first = head;
  (void)audit_frame(head, body);
  cr_assert(head.digest == chain_digest(first.digest, body));
  cr_assert(head.digest != first.digest);
}

Test(audit_record, a_header_comes_back) {
  const AuditFileHeader header{3, {7, AuditDigest{1, 2}}};
  const auto bytes = header.encode();
  cr_assert_eq(bytes.size(), kAuditHeaderBytes);
  const auto back = AuditFileHeader::decode(bytes);
  cr_assert(back && back->file == 3 && back->before == header.before);
  auto other = bytes;
  other[0] ^= 1;
  cr_assert_not(AuditFileHeader::decode(other).has_value());
  cr_assert_not(AuditFileHeader::decode(std::span(bytes).first(20)).has_value());
  auto later = bytes;
  later[7] = '2';  // AKMAUD02
  cr_assert(AuditFileHeader::decode(later).error().code == Errc::newer_version);
  later[7] = '0';
  cr_assert(AuditFileHeader::decode(later).error().code == Errc::malformed);
}

Test(audit_record, a_seal_is_of_one_key_and_one_place) {
  const AuditKey key = key_of(1);
  AuditSeal seal{.number = 9, .boottime_ns = 5, .start = 2, .before = AuditDigest{3}, .seal = {}};
  seal.seal = *key.seal(seal);
  cr_assert(key.holds(seal));
  cr_assert_not(key_of(2).holds(seal));
  AuditSeal other = seal;
  other.number = 10;
  cr_assert_not(key.holds(other));
  other = seal;
  other.before[31] ^= 1;
  cr_assert_not(key.holds(other));
  other = seal;
  other.boottime_ns = 6;
  cr_assert_not(key.holds(other));
}
