// The audit log: the power fails between any two of its calls to the disk, and the disk keeps of what was not
// synchronised whatever it likes (tests/support/crash_states.h). Whatever is left, the next start finds a log
// without damage, which holds what was synchronised, goes on from it, and is intact then. A power cut is
// never taken for somebody's work.
#include <cstdio>

#include "daemon/store/audit_log.h"
#include "tests/support/power_loss.h"

namespace {

using namespace akm;
using akm::testing::DiskModel;
using akm::testing::DiskTree;
using akm::testing::History;
using akm::testing::MemoryFolder;
using akm::testing::SeededRandom;

constexpr const char* kFolder = "/audit";
constexpr const char* kRecords = "/records";
constexpr const char* kAnchor = "audit";
constexpr store::AuditLimits kLimits{.file_bytes = 2048, .files = 2};

struct Expected {
  std::uint64_t synced = 0;  // this record and all before it are there
};

const store::AuditKey& audit_key() {
  static const store::AuditKey key = std::move(*store::AuditKey::derive(SecretBytes<32>()));
  return key;
}

AuditRecord event(std::size_t size) {
  AuditRecord out;
  out.name = "event";
  out.fields["text"] = std::string(size, 'x');
  return out;
}

/// A log and the store that its anchor is in, as a daemon has them.
struct Site {
  explicit Site(const MemoryFolder& folder) : path(folder.path()) {}

  Status open() {
    AKM_ASSIGN(records, store::SealedStore::open(path + kRecords, SecretBytes<32>(), random));
    std::optional<store::AuditAnchor> anchor;
    if (const auto stored = records->read(kAnchor)) {
      AKM_ASSIGN(anchor, store::AuditAnchor::decode(stored->reveal()));
    }
    AKM_ASSIGN(opened, store::AuditLog::open(path + kFolder, audit_key(), kLimits, anchor));
    if (anchor) return {};
    AKM_TRY(log().sync());
    return records->write(kAnchor, log().anchor().encode());
  }
  [[nodiscard]] store::AuditLog& log() const { return *opened.log; }
  Status seal() const {
    AKM_TRY(log().seal(event(0)));
    AKM_TRY(log().sync());
    AKM_TRY(records->write(kAnchor, log().anchor().encode()));
    return log().sealed();
  }

  std::string path;
  SeededRandom random{5};
  std::unique_ptr<store::SealedStore> records;
  store::AuditLog::Opened opened;
};

/// Records of less than a sector to several, synchronised or not, sealed or not, over the borders of files.
Status script(Site& site, History<Expected>& history) {
  AKM_TRY(site.open());
  const auto synced = [&] {
    history.promise([number = site.log().head().number](Expected& expected) { expected.synced = number; });
  };
  for (const std::size_t size : {10UL, 400UL, 500UL, 30UL, 480UL, 500UL, 20UL, 500UL, 450UL}) {
    AKM_TRY(site.log().append(event(size)));
    if (size == 30) AKM_TRY(site.log().sync());
    if (size == 30) synced();
    if (size == 400 || size == 20) AKM_TRY(site.seal());
    if (size == 400 || size == 20) synced();
  }
  AKM_TRY(site.log().append(event(5)));
  AKM_TRY(site.seal());
  synced();
  return {};
}

struct Outcome {
  std::size_t states = 0;
  std::vector<std::string> broken;

  void note(const std::string& what) {
    if (!what.empty() && std::ranges::find(broken, what) == broken.end()) broken.push_back(what);
  }
};

/// The next start of the daemon, and one more after it.
std::string broken_by(const Expected& expected, const MemoryFolder& folder) {
  Site site(folder);
  if (const Status opened = site.open(); !opened) return "the log does not open: " + opened.error().message();
  if (site.opened.damaged)
    return "a power cut is taken for damage: " + site.opened.found.verdict.findings.front();
  if (site.log().head().number < expected.synced) return "a record that was synchronised is lost";
  if (!site.log().append(event(7))) return "the log does not go on";
  if (!site.seal()) return "the log cannot be sealed";
  Site again(folder);
  site.records.reset();  // its lock
  if (const Status opened = again.open(); !opened || again.opened.damaged || again.opened.torn_bytes > 0)
    return "the log is not intact after it went on";
  return {};
}

Outcome power_cuts(std::size_t lost_sync, std::size_t& syncs) {
  Outcome out;
  const MemoryFolder disk;
  std::vector<std::pair<DiskTree, Expected>> states;
  {
    History<Expected> history(disk.path());
    history.disk.lost_sync = lost_sync;
    Site site(disk);
    if (const Status done = script(site, history); !done)
      out.note("the script failed: " + done.error().message());
    syncs = history.disk.syncs;
    if (lost_sync == 0 && history.model().seen() != disk.found()) out.note("a call went past the recorder");
    // As a journal keeps it: files that have a name, and the one before them does not, are nobody's fault.
    const DiskModel::Bounds bounds{.exhaustive = 256, .samples = 64, .names_in_order = true};
    std::map<DiskTree, std::uint64_t> known;
    history.each_state(bounds, [&](const DiskTree& state, const Expected& expected) {
      const auto [at, is_new] = known.try_emplace(state, expected.synced);
      at->second = std::max(at->second, expected.synced);
      (void)is_new;
    });
    for (const auto& [state, synced] : known) states.emplace_back(state, Expected{synced});
  }
  const MemoryFolder folder;
  for (const auto& [state, expected] : states) {
    folder.lay_out(state);
    out.note(broken_by(expected, folder));
    ++out.states;
    if (lost_sync != 0 && !out.broken.empty()) break;  // one is enough
  }
  return out;
}

bool expect(const std::string& what, const Outcome& outcome, bool broken) {
  std::printf("%s: %zu states, %s\n", what.c_str(), outcome.states,
              outcome.broken.empty() ? "as promised" : "");
  for (const std::string& one : outcome.broken) std::printf("  %s\n", one.c_str());
  const bool good = outcome.broken.empty() != broken;
  if (!good) std::printf("  NOT AS EXPECTED\n");
  return good;
}

}  // namespace

int main() {
  std::size_t syncs = 0;
  const bool good = expect("power cuts", power_cuts(0, syncs), false);
  // The test's own test: a synchronisation that is left out is missed.
  std::size_t noticed = 0;
  for (std::size_t n = 1, unused = 0; n <= syncs; ++n)
    noticed += power_cuts(n, unused).broken.empty() ? 0U : 1U;
  std::printf("planted: each of %zu fsyncs left out, %zu noticed\n", syncs, noticed);
  return good && noticed > 0 ? 0 : 1;
}
