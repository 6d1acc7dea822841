#include "daemon/store/audit_log.h"

#include <sys/resource.h>

#include <csignal>

#include "tests/unit/store/audit_bench.h"

using namespace akm;
using namespace akm::store;
using namespace akm::test;

Test(audit_log, a_restart_goes_on_where_the_chain_was) {
  AuditBench bench;
  cr_assert_not(bench.open().damaged);
  bench.add(3);
  bench.seal();
  bench.add(1);
  const AuditHead head = bench.log->head();
  const auto opened = bench.open();
  cr_assert_not(opened.damaged);
  cr_assert_eq(opened.torn_bytes, 0);
  cr_assert(bench.log->head() == head);
  cr_assert_eq(bench.log->unsealed(), 1);
  bench.add(1);
  bench.seal();
  cr_assert(bench.intact());
  cr_assert_eq(audit_files(bench.folder)->size(), 1);
}

Test(audit_log, files_are_followed_by_the_next_and_the_oldest_go) {
  AuditBench bench;
  bench.open();
  for (int i = 0; i < 10; ++i) {
    bench.add(5, 500);
    bench.seal();
    cr_assert(bench.intact());
    cr_assert_leq(audit_files(bench.folder)->size(), bench.limits.files);
  }
  cr_assert_gt(audit_files(bench.folder)->front(), 1);
  cr_assert_gt(bench.check().verdict.first, 1);
  cr_assert_not(bench.open().damaged);
}

Test(audit_log, a_torn_record_is_taken_off_and_the_chain_goes_on) {
  AuditBench bench;
  bench.open();
  bench.add(1);
  bench.seal();
  bench.add(1);
  const std::string whole = bench.content(1);
  bench.replace(1, whole.substr(0, whole.size() - 5));
  const auto opened = bench.open();
  cr_assert_not(opened.damaged);
  cr_assert_gt(opened.torn_bytes, 0);
  bench.add(1);
  bench.seal();
  cr_assert(bench.intact());
  cr_assert(bench.check().verdict.notes.empty());
}

Test(audit_log, a_file_without_its_header_is_made_anew) {
  AuditBench bench;
  bench.open();
  bench.add(1);
  bench.seal();
  bench.replace(2, "AKM");
  const auto opened = bench.open();
  cr_assert_not(opened.damaged);
  bench.add(1);
  bench.seal();
  cr_assert(bench.intact());
}

Test(audit_log, behind_a_gap_a_new_file_begins_and_the_gap_stays_visible) {
  AuditBench bench;
  bench.open();
  bench.add(1);
  bench.seal();
  const std::string before = bench.content(1);
  bench.add(4);
  bench.seal();
  bench.replace(1, before);
  auto opened = bench.open();
  cr_assert(opened.damaged);
  bench.add(1);
  bench.seal();
  cr_assert_not(bench.intact());
  cr_assert_eq(bench.check().verdict.last, 9, "numbers are not used twice");
  // So it is with a file that was removed altogether.
  std::filesystem::remove_all(bench.folder);
  opened = bench.open();
  cr_assert(opened.damaged);
  bench.add(1);
  bench.seal();
  cr_assert_not(bench.intact());
  cr_assert_not(bench.open().found.short_of_anchor);
}

Test(audit_log, damage_in_the_middle_is_left_as_it_is) {
  AuditBench bench;
  bench.open();
  bench.add(3);
  bench.seal();
  std::string flipped = bench.content(1);
  flipped[100] = static_cast<char>(flipped[100] ^ 1);
  bench.replace(1, flipped);
  cr_assert(bench.open().damaged);
  bench.add(1);
  bench.seal();
  cr_assert_eq(bench.content(1), flipped);
  cr_assert_not(bench.intact());
}

Test(audit_log, who_touches_the_file_is_noticed) {
  AuditBench bench;
  bench.open();
  bench.add(2);
  cr_assert(bench.log->untouched().has_value());
  const std::string whole = bench.content(1);
  bench.replace(1, whole.substr(0, 60));
  cr_assert(bench.log->untouched().error().code == Errc::state_corrupt);
  std::filesystem::remove(bench.file(1));
  cr_assert(bench.log->untouched().error().code == Errc::state_corrupt);
  bench.log->leave_file();
  bench.add(1);
  cr_assert(bench.log->untouched().has_value());
  bench.seal();
  cr_assert_not(bench.intact(), "the first file is missing");
}

Test(audit_log, no_room_leaves_no_piece_of_a_record) {
  AuditBench bench;
  bench.limits.file_bytes = 1 << 20;
  bench.open();
  bench.add(2);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit before = limit;
  limit.rlim_cur = bench.content(1).size() + 10;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Status failed = bench.log->append(audit_event("event", 400));
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  cr_assert_not(failed.has_value());
  bench.add(1);
  bench.seal();
  cr_assert(bench.intact());
  cr_assert_eq(bench.check().verdict.last, 4);
}
