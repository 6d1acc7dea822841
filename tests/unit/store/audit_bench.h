#pragma once
// A log in a folder of its own, and ways to damage it.
#include <criterion/criterion.h>

#include <fstream>
#include <iterator>

#include "daemon/store/audit_log.h"
#include "tests/support/temporary_folder.h"

namespace akm::test {

inline store::AuditKey audit_key(std::uint8_t byte = 1) {
  SecretBytes<32> storage;
  storage.reveal_mutable()[0] = byte;
  return std::move(*store::AuditKey::derive(storage));
}

inline AuditRecord audit_event(const std::string& name, std::size_t more = 0) {
  AuditRecord out;
  out.name = name;
  out.boottime_ns = 5;
  if (more > 0) out.fields["more"] = std::string(more, 'x');
  return out;
}

struct AuditBench {
  TemporaryFolder place;
  std::string folder = place.file("audit");
  store::AuditKey key = audit_key();
  store::AuditLimits limits{.file_bytes = 4096, .files = 3};
  std::optional<store::AuditAnchor> anchor;
  std::unique_ptr<store::AuditLog> log;

  store::AuditLog::Opened open() {
    log.reset();
    auto opened = store::AuditLog::open(folder, key, limits, anchor);
    cr_assert(opened.has_value(), "%s", opened ? "" : opened.error().message().c_str());
    log = std::move(opened->log);
    return std::move(*opened);
  }
  void add(int count, std::size_t more = 0) {
    for (int i = 0; i < count; ++i) cr_assert(log->append(audit_event("event", more)).has_value());
  }
  void seal() {
    cr_assert(log->seal(audit_event("")).has_value());
    cr_assert(log->sync().has_value());
    anchor = log->anchor();
    cr_assert(log->sealed().has_value());
  }
  [[nodiscard]] store::AuditCheck check() const {
    auto found = store::check_audit(folder, {.key = &key, .anchor = anchor, .visit = {}});
    cr_assert(found.has_value());
    return std::move(*found);
  }
  [[nodiscard]] bool intact() const { return check().verdict.findings.empty(); }
  [[nodiscard]] std::string file(std::uint64_t number) const {
    return folder + "/" + store::audit_file_name(number);
  }
  [[nodiscard]] std::string content(std::uint64_t number) const {
    std::ifstream in(file(number), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void replace(std::uint64_t number, const std::string& content) const {
    std::ofstream(file(number), std::ios::binary | std::ios::trunc) << content;
  }
};

}  // namespace akm::test
