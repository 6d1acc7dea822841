// What a record of the audit log costs beside hashing and writing its bytes.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "daemon/base/unique_fd.h"
#include "daemon/crypto/digest.h"
#include "daemon/store/audit_log.h"
#include "tools/akm-bench/cases.h"
#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

/// As a probe's record makes it.
AuditRecord detection() {
  AuditRecord out;
  out.boottime_ns = 123456789;
  out.severity = 2;
  out.incident = 0x1122334455667788;
  out.name = "breach-detected";
  out.fields = {{"class", "key-access"},
                {"grade", "critical"},
                {"outcome", "succeeded"},
                {"actions", "revoke-local report signal log"},
                {"reason", "The session keys are revoked, since somebody used one"},
                {"operation", "read"},
                {"key", "123456789"},
                {"source", "tracepoint"},
                {"subject.pid", "4242"},
                {"subject.tgid", "4242"},
                {"subject.uid", "0"},
                {"subject.comm", "keyctl"},
                {"subject.cgroup", "4711"}};
  return out;
}

}  // namespace

void audit(bool durable) {
  const std::string folder = std::filesystem::temp_directory_path().string() + "/akm-bench-audit";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const auto key = must(store::AuditKey::derive(SecretBytes<32>()));
  auto opened = must(
      store::AuditLog::open(folder + "/log", key, {.file_bytes = std::size_t{64} << 20, .files = 2}, {}));
  store::AuditLog& log = *opened.log;
  const AuditRecord record = detection();
  const auto body = store::encode_audit_body(record);
  const UniqueFd bare(::open((folder + "/bare").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  store::AuditHead head;
  off_t at = 0;
  const auto write_bare = [&] {
    const auto digest = crypto::sha256({head.digest, body});
    if (::pwrite(bare.get(), body.data(), body.size(), at) != static_cast<ssize_t>(body.size()))
      stop("write");
    at += static_cast<off_t>(body.size());
    head.digest = digest;
    if (durable && ::fdatasync(bare.get()) != 0) stop("fdatasync");
  };
  const auto write_ours = [&] {
    must(log.append(record));
    if (durable) must(log.sync());
  };
  const auto times = [](const auto& one) {
    return [&one](std::size_t operations) {
      for (std::size_t i = 0; i < operations; ++i) one();
    };
  };
  compare({.title = durable ? "A record of the audit log, synchronised" : "A record of the audit log",
           .operations = durable ? 20U : 2000U,
           .limit = {"its bytes hashed and written, bare", times(write_bare)},
           .ours = {{"akm audit log", times(write_ours)}},
           .target = 2});
  std::filesystem::remove_all(folder);
}

}  // namespace akm::bench
