#include "bpf/loader/probe_record.h"

#include <criterion/criterion.h>

using namespace akm::bpf;

Test(probe_record, hostile_bytes_become_printable_text) {
  cr_assert_eq(printable("plain text", 64), "plain text");
  cr_assert_eq(printable("a\nb\x1b[31m\xff\\", 64), "a\\x0ab\\x1b[31m\\xff\\x5c");
  cr_assert_eq(printable(std::string_view("ab\0cd", 5), 64), "ab");
  cr_assert_eq(printable("abcdef", 3), "abc");
  cr_assert_eq(printable("", 3), "");
}

Test(probe_record, evidence_names_what_was_done) {
  ProbeRecord record;
  record.watch = Watch::key;
  record.outcome = Outcome::refused;
  record.operation = "keyctl-read";
  record.source = "tracepoint";
  record.serial = 12;
  record.result = -13;
  const auto evidence = record.evidence();
  cr_assert_eq(evidence.at("operation"), "keyctl-read");
  cr_assert_eq(evidence.at("outcome"), "refused");
  cr_assert_eq(evidence.at("key"), "12");
  cr_assert_eq(evidence.at("errno"), "13");
  cr_assert_not(evidence.contains("path"));
}

Test(probe_record, subject_leaves_out_what_is_not_known) {
  ProbeRecord record;
  record.pid = 2;
  record.tgid = 1;
  auto subject = record.subject();
  cr_assert_eq(subject.at("pid"), "2");
  cr_assert_eq(subject.at("tgid"), "1");
  cr_assert_not(subject.contains("uid"));
  cr_assert_not(subject.contains("comm"));
  record.uid = 0;
  record.comm = "x";
  subject = record.subject();
  cr_assert_eq(subject.at("uid"), "0");
  cr_assert_eq(subject.at("comm"), "x");
}

Test(probe_record, names_are_distinct) {
  cr_assert_neq(watch_name(Watch::state), watch_name(Watch::config));
  cr_assert_neq(watch_name(Watch::key), watch_name(Watch::process));
  cr_assert_neq(outcome_name(Outcome::refused), outcome_name(Outcome::unknown));
}
