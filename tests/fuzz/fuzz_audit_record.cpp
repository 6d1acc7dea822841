// Covers decode_audit_body, scan_audit_file, AuditFileHeader::decode, AuditAnchor::decode and
// audit_file_number (daemon/store): files that anybody with the disk can have written. The first byte
// chooses.
#include <algorithm>

#include "daemon/store/audit_check.h"
#include "tests/fuzz/fuzz.h"

using namespace akm;
using akm::fuzz::require;

namespace {

void body(std::span<const std::uint8_t> bytes) {
  const auto record = store::decode_audit_body(bytes);
  if (record)
    require(std::ranges::equal(store::encode_audit_body(*record), bytes), "a record has one encoding");
}

void file(std::span<const std::uint8_t> bytes) {
  std::uint64_t seen = 0;
  const auto scan = store::scan_audit_file(
      bytes, [&](const AuditRecord& record, const store::AuditHead& before, const store::AuditHead& at) {
        ++seen;
        require(record.number == before.number + 1 && at.number == record.number, "numbers rise by one");
      });
  if (!scan) return;
  require(scan->good_bytes <= bytes.size() && scan->whole == (scan->good_bytes == bytes.size()),
          "whole is whole");
  require(scan->head.number == scan->header.before.number + seen, "each record counts");
}

/// Whatever bytes are taken as records: the chain over them can be read, and not with one bit changed.
void chained(std::uint16_t place, std::span<const std::uint8_t> text) {
  store::AuditHead head;
  std::vector<std::uint8_t> bytes = store::AuditFileHeader{1, head}.encode();
  AuditRecord record;
  record.number = 1;
  record.name = fuzz::as_text(text.first(std::min<std::size_t>(text.size(), 20)));
  record.fields["text"] = fuzz::as_text(text);
  const auto frame = store::audit_frame(head, store::encode_audit_body(record));
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  require(store::scan_audit_file(bytes, {})->whole, "what was written can be read");
  const std::size_t at = store::kAuditHeaderBytes + place % frame.size();
  bytes[at] ^= static_cast<std::uint8_t>(1U << (place >> 13));
  require(!store::scan_audit_file(bytes, {})->whole, "what was changed is found");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.u8() % 4) {
    case 0:
      body(input.rest());
      break;
    case 1:
      file(input.rest());
      break;
    case 2: {
      const std::uint16_t place = input.u16();
      chained(place, input.rest());
      break;
    }
    default:
      (void)store::AuditAnchor::decode(input.rest());
      (void)store::audit_file_number(fuzz::as_text({data, size}));
  }
  return 0;
}
