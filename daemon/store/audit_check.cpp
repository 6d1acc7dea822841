#include "daemon/store/audit_check.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "daemon/base/atomic_file.h"
#include "daemon/base/cursor.h"
#include "daemon/base/hex.h"

namespace akm::store {
namespace {

constexpr std::string_view kPrefix = "audit-";
constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kFindings = 64;  // more say nothing new

struct DirCloser {
  void operator()(DIR* dir) const { (void)closedir(dir); }
};

/// Too short for a header, or of zeros: a length that came to the disk before the bytes did.
bool blank(std::span<const std::uint8_t> bytes) {
  return bytes.size() < kAuditHeaderBytes ||
         std::ranges::all_of(bytes.first(8), [](std::uint8_t byte) { return byte == 0; });
}

/// Whether a whole record stands somewhere behind what is wrong: then it is not the end of a file that was
/// being written.
bool records_follow(std::span<const std::uint8_t> rest) {
  const std::size_t most = std::min(rest.size(), 2 * kAuditBodyBytes);
  for (std::size_t at = 0; at < most; ++at) {
    Reader in(rest.subspan(at));
    AuditDigest before{};
    const auto digest_before = in.bytes(before.size());
    const std::size_t size = in.u32();
    if (!in.ok() || size > kAuditBodyBytes) continue;
    const auto body = in.bytes(size);
    const auto digest = in.bytes(before.size());
    if (!in.ok()) continue;
    std::ranges::copy(digest_before, before.begin());
    if (std::ranges::equal(chain_digest(before, body), digest)) return true;
  }
  return false;
}

/// Goes on from file to file.
class Checker {
 public:
  explicit Checker(const AuditCheckOptions& options) : options_(options) {}

  Status file(const std::string& path, std::uint64_t number, bool newest) {
    auto bytes = read_file(path, kAuditFileMostBytes);
    if (!bytes) return std::unexpected(bytes.error());
    ++out.verdict.files;
    const auto scan = scan_audit_file(*bytes, [this](const AuditRecord& record, const AuditHead& before,
                                                     const AuditHead& at) { seen(record, before, at); });
    if (newest) {
      out.file = number;
      out.bytes = bytes->size();
      out.good_bytes = 0;
    }
    if (!scan) {
      // A power cut between the making of a file and its header, or somebody's work.
      const bool unknown = options_.anchor ? options_.anchor->file < number : blank(*bytes);
      if (newest && unknown && beyond_anchor()) {
        note("the newest file " + audit_file_name(number) + " has no beginning yet");
      } else {
        const bool newer = scan.error().code == Errc::newer_version;
        find(audit_file_name(number) + (newer
                                            ? " was made by a newer version of this software, or was changed"
                                            : " has no header of an audit log"));
      }
      return {};
    }
    if (number != 0 && scan->header.file != number)
      find(audit_file_name(number) + " has another file's header");
    join(scan->header, number);
    out.head = scan->head;
    out.good_bytes = scan->good_bytes;
    known_ = true;
    if (!scan->whole) tail(*scan, number, std::span(*bytes).subspan(scan->good_bytes), newest);
    return {};
  }

  void missing_file(std::uint64_t number) { find(audit_file_name(number) + " is missing"); }
  void find(std::string sentence) {
    if (out.verdict.findings.size() < kFindings) out.verdict.findings.push_back(std::move(sentence));
  }
  void note(std::string sentence) {
    if (out.verdict.notes.size() < kFindings) out.verdict.notes.push_back(std::move(sentence));
  }
  [[nodiscard]] bool beyond_anchor() const {
    return !options_.anchor || out.head.number >= options_.anchor->head.number;
  }

  /// What was sealed must be there, as it was.
  void finish() {
    if (!options_.anchor) return;
    const AuditHead& sealed = options_.anchor->head;
    out.short_of_anchor = out.head.number < sealed.number;
    if (out.short_of_anchor) {
      find("records " + std::to_string(out.head.number + 1) + " to " + std::to_string(sealed.number) +
           " were sealed and are not there");
    } else if (sealed.number > 0 && anchored_ != sealed.digest && sealed.number >= out.verdict.first) {
      find("record " + std::to_string(sealed.number) + " is another one than was sealed");
      out.short_of_anchor = true;
    }
  }

  AuditCheck out;

 private:
  void join(const AuditFileHeader& header, std::uint64_t number) {
    const bool same = header.before == out.head;
    if (known_ && !same) {
      find(header.before.number > out.head.number
               ? "records " + std::to_string(out.head.number + 1) + " to " +
                     std::to_string(header.before.number) + " are missing before " + audit_file_name(number)
               : audit_file_name(number) + " does not go on from the file before it");
    }
    if (options_.anchor && header.before.number == options_.anchor->head.number)
      anchored_ = header.before.digest;
  }

  void seen(const AuditRecord& record, const AuditHead& before, const AuditHead& at) {
    AuditVerdict& verdict = out.verdict;
    ++verdict.records;
    if (verdict.first == 0) verdict.first = record.number;
    verdict.last = record.number;
    if (options_.anchor && at.number == options_.anchor->head.number) anchored_ = at.digest;
    if (record.seal) {
      AuditSeal seal{record.number, record.boottime_ns, record.start, before.digest, *record.seal};
      if (options_.key == nullptr) {
        out.seals.push_back(seal);
      } else if (options_.key->holds(seal)) {
        verdict.sealed = record.number;
      } else {
        ++out.bad_seals;
        find("the seal in record " + std::to_string(record.number) + " does not hold");
      }
    }
    if (options_.visit) options_.visit(record, before, at);
  }

  /// Without an anchor nobody knows what was synchronised: then only what looks broken off is taken for it.
  void tail(const AuditFileScan& scan, std::uint64_t number, std::span<const std::uint8_t> rest,
            bool newest) {
    const std::string where = audit_file_name(number) + " after record " + std::to_string(scan.head.number);
    if (newest && (options_.anchor ? beyond_anchor() : !records_follow(rest))) {
      note(where + ": " + std::to_string(rest.size()) + " bytes of no whole record (" + scan.why + ")");
      return;
    }
    find(where + ": " + scan.why);
  }

  const AuditCheckOptions& options_;
  AuditDigest anchored_{};
  bool known_ = false;  // a file came before
};

}  // namespace

std::vector<std::uint8_t> AuditAnchor::encode() const {
  std::vector<std::uint8_t> out(8 + 8 + 8 + head.digest.size());
  Writer writer(out);
  writer.u64(first_file);
  writer.u64(file);
  writer.u64(head.number);
  writer.bytes(head.digest);
  return out;
}

Result<AuditAnchor> AuditAnchor::decode(std::span<const std::uint8_t> bytes) {
  Reader in(bytes);
  AuditAnchor out;
  out.first_file = in.u64();
  out.file = in.u64();
  out.head.number = in.u64();
  const auto digest = in.bytes(out.head.digest.size());
  if (!in.done()) return fail(Errc::malformed, "the anchor of the audit log");
  std::ranges::copy(digest, out.head.digest.begin());
  return out;
}

std::string audit_file_name(std::uint64_t number) {
  return std::string(kPrefix) + hex_id(number) + std::string(kSuffix);
}

std::optional<std::uint64_t> audit_file_number(std::string_view name) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(std::min(kSuffix.size(), name.size()));
  const auto number = parse_hex_id(name);
  if (!number || *number == 0 || hex_id(*number) != name) return std::nullopt;
  return *number;
}

Result<std::vector<std::uint64_t>> audit_files(const std::string& folder) {
  const std::unique_ptr<DIR, DirCloser> dir(opendir(folder.c_str()));
  if (dir == nullptr) {
    if (errno == ENOENT) return fail(Errc::not_found, folder);
    return fail_errno(Errc::storage_failed, "open folder " + folder);
  }
  std::vector<std::uint64_t> out;
  errno = 0;
  for (const dirent* entry = readdir(dir.get()); entry != nullptr; entry = readdir(dir.get())) {
    if (const auto number = audit_file_number(entry->d_name)) out.push_back(*number);
    if (out.size() > kAuditFilesMost) return fail(Errc::limit_exceeded, "files in " + folder);
    errno = 0;
  }
  if (errno != 0) return fail_errno(Errc::storage_failed, "read folder " + folder);
  std::ranges::sort(out);
  return out;
}

Result<AuditFileScan> scan_audit_file(std::span<const std::uint8_t> bytes, const AuditVisitor& visit) {
  AKM_ASSIGN(const AuditFileHeader header, AuditFileHeader::decode(bytes));
  AuditFileScan out{.header = header, .head = header.before, .good_bytes = kAuditHeaderBytes, .why = {}};
  for (;;) {
    Reader in(bytes.subspan(out.good_bytes));
    if (in.rest().empty()) {
      out.whole = true;
      return out;
    }
    const std::size_t size = in.u32();
    if (size > kAuditBodyBytes) {
      out.why = "a record of an impossible length";
      return out;
    }
    const auto body = in.bytes(size);
    const auto digest = in.bytes(out.head.digest.size());
    if (!in.ok()) {
      out.why = "a record that is cut off";
      return out;
    }
    const AuditDigest expected = chain_digest(out.head.digest, body);
    const auto record = decode_audit_body(body);
    if (!std::ranges::equal(expected, digest) || !record || record->number != out.head.number + 1) {
      out.why = "a record that was changed";
      return out;
    }
    const AuditHead at{record->number, expected};
    if (visit) visit(*record, out.head, at);
    out.head = at;
    out.good_bytes = bytes.size() - in.rest().size();
  }
}

Result<AuditCheck> check_audit(const std::string& path, const AuditCheckOptions& options) {
  Checker checker(options);
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return fail(Errc::not_found, path);
    return fail_errno(Errc::storage_failed, "stat " + path);
  }
  if (!S_ISDIR(status.st_mode)) {
    const auto number = audit_file_number(path.substr(path.rfind('/') + 1));
    AKM_TRY(checker.file(path, number ? *number : 0, true));
    return std::move(checker.out);
  }
  AKM_ASSIGN(const std::vector<std::uint64_t> files, audit_files(path));
  std::uint64_t next = options.anchor ? options.anchor->first_file : (files.empty() ? 0 : files.front());
  for (const std::uint64_t number : files) {
    if (options.anchor && number < options.anchor->first_file) continue;  // was about to be removed
    if (number > next) {
      checker.missing_file(next);
      next = number;
    }
    ++next;
    AKM_TRY(checker.file(path + "/" + audit_file_name(number), number, number == files.back()));
  }
  if (options.anchor && options.anchor->file >= next) checker.missing_file(options.anchor->file);
  checker.finish();
  return std::move(checker.out);
}

}  // namespace akm::store
