#include "daemon/store/audit_check.h"

#include "tests/unit/store/audit_bench.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

Test(audit_check, names_of_files) {
  cr_assert_eq(audit_file_name(1), "audit-0000000000000001.log");
  cr_assert_eq(*audit_file_number("audit-00000000000000ff.log"), 255);
  for (const char* name : {"audit-1.log", "audit-0000000000000000.log", "audit-00000000000000FF.log",
                           "audit-.log", "x", "audit-00000000000000ff.log2", ""})
    cr_assert_not(audit_file_number(name).has_value(), "%s", name);
}

Test(audit_check, an_anchor_comes_back) {
  const AuditAnchor anchor{2, 5, {77, AuditDigest{1}}};
  const auto back = AuditAnchor::decode(anchor.encode());
  cr_assert(back && back->first_file == 2 && back->file == 5 && back->head == anchor.head);
  cr_assert_not(AuditAnchor::decode(std::vector<std::uint8_t>(55)).has_value());
}

Test(audit_check, what_was_written_is_intact_and_sealed) {
  AuditBench bench;
  bench.open();
  bench.add(20, 300);
  bench.seal();
  bench.add(2);
  const AuditCheck found = bench.check();
  cr_assert(found.verdict.findings.empty());
  cr_assert_eq(found.verdict.last, 23);
  cr_assert_eq(found.verdict.sealed, 21);
  cr_assert_gt(found.verdict.files, 1U);
  // Without the key the seals are gathered, and each holds.
  const auto without = check_audit(bench.folder, {});
  cr_assert_eq(without->seals.size(), 1);
  cr_assert(bench.key.holds(without->seals[0]));
  const AuditKey other = audit_key(2);
  cr_assert_eq(check_audit(bench.folder, {.key = &other, .anchor = {}, .visit = {}})->bad_seals, 1);
}

Test(audit_check, every_flipped_byte_of_what_was_sealed_is_found) {
  AuditBench bench;
  bench.open();
  bench.add(3);
  bench.seal();
  const std::string whole = bench.content(1);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    bench.replace(1, flipped);
    cr_assert_not(bench.intact(), "byte %zu", at);
  }
  bench.replace(1, whole);
  cr_assert(bench.intact());
}

Test(audit_check, every_length_that_what_was_sealed_is_cut_to_is_found) {
  AuditBench bench;
  bench.open();
  bench.add(2);
  bench.seal();
  const std::string whole = bench.content(1);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    bench.replace(1, whole.substr(0, size));
    cr_assert_not(bench.intact(), "%zu bytes", size);
  }
}

Test(audit_check, a_missing_file_is_found_wherever_it_was) {
  AuditBench bench;
  bench.open();
  bench.add(20, 400);
  bench.seal();
  const auto files = *audit_files(bench.folder);
  cr_assert_eq(files.size(), 3);
  for (const std::uint64_t file : files) {
    const std::string content = bench.content(file);
    std::filesystem::remove(bench.file(file));
    cr_assert_not(bench.intact(), "file %lu", static_cast<unsigned long>(file));
    bench.replace(file, content);
  }
  cr_assert(bench.intact());
  std::filesystem::remove_all(bench.folder);
  std::filesystem::create_directory(bench.folder);
  cr_assert_not(bench.intact(), "all of them");
}

Test(audit_check, an_older_copy_of_the_log_is_found) {
  AuditBench bench;
  bench.open();
  bench.add(2);
  bench.seal();
  const std::string before = bench.content(1);
  bench.add(2);
  bench.seal();
  bench.replace(1, before);
  const AuditCheck found = bench.check();
  cr_assert(found.short_of_anchor);
  cr_assert_eq(found.verdict.findings.size(), 1);
}

Test(audit_check, another_chain_in_its_place_is_found) {
  AuditBench bench;
  bench.open();
  bench.add(2);
  bench.seal();
  AuditBench forger;
  forger.key = audit_key(9);
  forger.open();
  forger.add(2);
  forger.seal();
  bench.replace(1, forger.content(1));
  const AuditCheck found = bench.check();
  cr_assert_eq(found.bad_seals, 1);
  cr_assert(found.short_of_anchor, "and the head is another");
}

Test(audit_check, what_was_not_sealed_may_be_torn) {
  AuditBench bench;
  bench.open();
  bench.add(1);
  bench.seal();
  const std::size_t sealed = bench.content(1).size();
  bench.add(1);
  const std::string whole = bench.content(1);
  for (std::size_t size = sealed; size < whole.size(); ++size) {
    bench.replace(1, whole.substr(0, size));
    const AuditCheck found = bench.check();
    cr_assert(found.verdict.findings.empty(), "%zu bytes", size);
    cr_assert_eq(found.good_bytes, sealed);
    cr_assert_eq(found.verdict.notes.size(), size == sealed ? 0 : 1);
  }
}

Test(audit_check, without_an_anchor_a_flipped_byte_is_no_power_cut) {
  AuditBench bench;
  bench.open();
  bench.add(3);
  const std::string whole = bench.content(1);
  // Of the last two records anything may look broken off: nothing whole follows that goes on from them.
  const std::size_t last = kAuditHeaderBytes + (whole.size() - kAuditHeaderBytes) / 3;
  for (std::size_t at = kAuditHeaderBytes; at < last; ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    bench.replace(1, flipped);
    cr_assert_eq(check_audit(bench.folder, {})->verdict.findings.size(), 1, "byte %zu", at);
  }
  bench.replace(1, whole.substr(0, whole.size() - 1));
  cr_assert(check_audit(bench.folder, {})->verdict.findings.empty());
}

Test(audit_check, one_file_alone_can_be_read) {
  AuditBench bench;
  bench.open();
  bench.add(20, 400);
  bench.seal();
  std::size_t seen = 0;
  const auto found = check_audit(
      bench.file(2),
      {.key = nullptr, .anchor = {}, .visit = [&](const auto&, const auto&, const auto&) { ++seen; }});
  cr_assert(found && found->verdict.findings.empty());
  cr_assert_eq(found->verdict.records, seen);
  cr_assert_gt(found->verdict.first, 1);
  cr_assert(check_audit(bench.folder + "/none", {}).error().code == Errc::not_found);
  cr_assert_eq(check_audit(bench.place.write("text", std::string(200, 'x')), {})->verdict.findings.size(), 1);
}

Test(audit_check, a_file_of_a_later_program_is_told_as_one) {
  AuditBench bench;
  bench.open();
  bench.add(3);
  bench.seal();
  std::string whole = bench.content(1);
  whole[7] = '2';  // AKMAUD02
  bench.replace(1, whole);
  const auto found = bench.check();
  cr_assert_not(found.verdict.findings.empty());
  cr_assert(found.verdict.findings.front().contains("newer version"), "%s",
            found.verdict.findings.front().c_str());
}
