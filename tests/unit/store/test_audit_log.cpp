#include "daemon/store/audit_log.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

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

namespace {

/// No descriptor is to be had but these few.
class Descriptors {
 public:
  explicit Descriptors(std::size_t free) {
    (void)getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = 64;
    (void)setrlimit(RLIMIT_NOFILE, &few);
    for (UniqueFd fd = taken(); fd; fd = taken()) held_.push_back(std::move(fd));
    held_.resize(held_.size() - free);
  }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;
  ~Descriptors() { (void)setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  static UniqueFd taken() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
  rlimit before_{};
  std::vector<UniqueFd> held_;
};

/// A log whose next record begins file 2.
AuditLog::Opened full_file(AuditBench& bench) {
  bench.limits.file_bytes = 400;
  AuditLog::Opened opened = bench.open();
  bench.add(1, 300);
  return opened;
}

bool add_big(AuditBench& bench) {
  return bench.log->append(audit_event("event", 300)).has_value();
}

}  // namespace

Test(audit_log, no_descriptor_in_the_middle_of_a_rotation_holds_it_up_no_longer_than_that) {
  for (std::size_t free = 0; free < 2; ++free) {
    AuditBench bench;
    (void)full_file(bench);
    {
      const Descriptors few(free);
      const bool added = add_big(bench);
      cr_assert_eq(added, free > 0, "%zu were free", free);
    }
    cr_assert(add_big(bench), "%zu were free", free);
    bench.seal();
    cr_assert(bench.intact());
    cr_assert_not(bench.open().damaged);
  }
}

Test(audit_log, no_room_for_the_header_of_the_next_file) {
  AuditBench bench;
  (void)full_file(bench);
  (void)std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit before = limit;
  limit.rlim_cur = 10;
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  cr_assert_not(add_big(bench));
  cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
  cr_assert_eq(audit_files(bench.folder)->size(), 1, "nothing is left of it");
  cr_assert(add_big(bench));
  bench.seal();
  cr_assert(bench.intact());
}

Test(audit_log, a_next_file_that_was_left_half_made_is_replaced_and_one_with_records_is_not) {
  for (const std::size_t left : {std::size_t{0}, std::size_t{5}, kAuditHeaderBytes}) {
    AuditBench bench;
    (void)full_file(bench);
    bench.replace(2, std::string(left, 'x'));
    cr_assert(add_big(bench), "%zu bytes", left);
    bench.seal();
    cr_assert(bench.intact());
    cr_assert_eq(bench.check().verdict.last, 3);
  }
  AuditBench bench;
  (void)full_file(bench);
  const std::string records(kAuditHeaderBytes + 1, 'x');
  bench.replace(2, records);
  cr_assert_not(add_big(bench));
  cr_assert_eq(bench.content(2), records);
}
