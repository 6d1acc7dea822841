// The store below the record: the power fails between any two of its calls to the disk, and the disk keeps of
// what was not synchronised whatever it likes, in sectors and in any order (tests/support/crash_states.h).
// What the store had promised is there, nothing is half there, and a removed record is wiped. Each call
// fails, too.
#include <cerrno>
#include <cstdio>

#include "tests/sim/careless_store.h"
#include "tests/support/power_loss.h"

namespace {

using namespace akm;
using akm::testing::CarelessStore;
using akm::testing::DiskModel;
using akm::testing::DiskTree;
using akm::testing::Habit;
using akm::testing::History;
using akm::testing::MemoryFolder;
using akm::testing::Promises;
using akm::testing::Records;
using akm::testing::SeededRandom;
using akm::testing::WitnessedStore;
using store::SealedStore;

constexpr const char* kFolder = "/records";
constexpr std::size_t kTraceBytes = 32;  // by which the sector of a sealed record is known

struct Expected {
  Promises promises;
};

SecretBytes<32> storage_key() {
  SecretBytes<32> key;
  std::ranges::fill(key.reveal_mutable(), std::uint8_t{0x42});
  return key;
}

Result<std::unique_ptr<SealedStore>> opened(const MemoryFolder& folder, RandomSource& random) {
  return SealedStore::open(folder.path() + kFolder, storage_key(), random);
}

/// One run of a store over an empty folder.
class Run {
 public:
  explicit Run(Habit habit = Habit::none) : habit_(habit), random_(99), history(folder_.path()) {}

  /// At the start, and after the process was killed.
  Status open() {
    store_.reset();
    AKM_ASSIGN(auto real, opened(folder_, random_));
    const Records found = akm::testing::records_of(*real);
    history.promise([found](Expected& expected) { expected.promises.is(found); });
    if (habit_ != Habit::none) {
      real = std::make_unique<CarelessStore>(std::move(real), folder_.path() + kFolder, storage_key(),
                                             random_, habit_);
    }
    store_ = std::make_unique<WitnessedStore<Expected>>(
        std::move(real), history, [](Expected& expected) -> Promises& { return expected.promises; });
    return {};
  }

  using Step = std::function<Status(Run&)>;
  /// Records of one to four sectors: new, changed, in groups, removed and made again.
  static std::vector<Step> steps() {
    return {[](Run& run) { return run.write("a", 1, 400); }, [](Run& run) { return run.write("b", 2, 1500); },
            [](Run& run) { return run.write("a", 3, 700); }, [](Run& run) { return run.write_all(4); },
            [](Run& run) { return run.remove("b"); },        [](Run& run) { return run.write("b", 5, 10); },
            [](Run& run) { return run.write_all(6); },       [](Run& run) { return run.remove("c"); },
            [](Run& run) { return run.remove("c"); },        [](Run& run) { return run.write("b", 7, 0); }};
  }

  Status write(const std::string& name, std::uint8_t value, std::size_t size) {
    return store_->write(name, std::vector<std::uint8_t>(size, value));
  }
  Status write_all(std::uint8_t value) {
    const std::vector<std::uint8_t> bytes(600, value);
    const std::vector<store::NamedRecord> group{{"c", bytes}, {"a", bytes}, {"d", bytes}};
    return store_->write_all(group);
  }
  Status remove(const std::string& name) {
    const auto file = folder_.found()[kFolder + 1 + ("/" + name)];
    AKM_TRY(store_->remove(name));
    if (file) removed.push_back(*file);
    return {};
  }
  [[nodiscard]] Records records() { return akm::testing::records_of(*store_); }
  [[nodiscard]] DiskTree found() const { return folder_.found(); }

 private:
  MemoryFolder folder_;
  Habit habit_;
  SeededRandom random_;
  std::unique_ptr<SealedStore> store_;

 public:
  History<Expected> history;
  std::vector<std::string> removed;  // the bytes of their files
};

/// Opens states, each once.
class Recovery {
 public:
  const Records& of(const DiskTree& state) {
    const auto known = found_.find(state);
    if (known != found_.end()) return known->second;
    folder_.lay_out(state);
    SeededRandom random(7);
    const auto store = opened(folder_, random);
    return found_
        .emplace(state, store ? akm::testing::records_of(**store) : Records{{"(store)", std::nullopt}})
        .first->second;
  }
  [[nodiscard]] std::size_t opened_states() const { return found_.size(); }

 private:
  MemoryFolder folder_;
  std::map<DiskTree, Records> found_;
};

struct Outcome {
  std::size_t states = 0;
  std::size_t recoveries = 0;
  std::vector<std::string> broken;

  void note(const std::string& what) {
    if (!what.empty() && std::ranges::find(broken, what) == broken.end()) broken.push_back(what);
  }
};

void check(const Run& run, bool names_in_order, Outcome& out, std::size_t first = 0) {
  Recovery recovery;
  const DiskModel::Bounds bounds{.names_in_order = names_in_order};
  out.states += run.history.each_state(
      bounds,
      [&](const DiskTree& state, const Expected& expected) {
        if (!out.broken.empty() && run.history.disk.lost_sync != 0) return;  // one is enough
        const Records& found = recovery.of(state);
        out.note(expected.promises.broken_by(found));
        // c, a, d are written as one, in this order.
        const auto value = [&found](const char* name) -> int {
          const auto at = found.find(name);
          return at == found.end() || !at->second || at->second->empty() ? 0 : at->second->front();
        };
        for (const int number : {4, 6}) {
          const bool begun = value("d") == number && value("a") < number;
          if (names_in_order && begun) out.note("a group of records is not written in its order");
        }
      },
      first);
  out.recoveries += recovery.opened_states();
  // A removed record is in no file any more, named or not.
  const DiskModel after = run.history.model();
  for (const std::string& file : run.removed) {
    for (std::size_t at = 0; at + kTraceBytes <= file.size(); at += akm::testing::kSectorBytes) {
      if (after.may_hold(std::string_view(file).substr(at, kTraceBytes)))
        out.note("a removed record can be read");
    }
  }
}

/// The whole script; no call fails, the power does.
Outcome power_cuts(Habit habit) {
  Outcome out;
  Run run(habit);
  Status done = run.open();
  for (const auto& step : Run::steps()) {
    if (done) done = step(run);
  }
  if (!done) out.note("the script failed: " + done.error().message());
  if (run.history.model().seen() != run.found()) out.note("a call went past the recorder");
  for (const bool names_in_order : {false, true}) check(run, names_in_order, out);
  return out;
}

/// Leaves out one fsync after another of the script: each is needed, and each is missed.
Outcome lost_syncs() {
  Outcome out;
  for (std::size_t n = 1, syncs = n; n <= syncs; ++n) {
    Run run;
    (void)run.open();
    const std::size_t before = run.history.disk.syncs;
    run.history.disk.lost_sync = before + n;
    for (const auto& step : Run::steps()) (void)step(run);
    syncs = run.history.disk.syncs - before;
    Outcome one;
    check(run, false, one);
    out.states += one.states;
    out.recoveries += one.recoveries;
    if (one.broken.empty()) out.note("fsync " + std::to_string(n) + " could be left out, and nobody saw it");
  }
  return out;
}

/// The process is killed between two calls and starts again; then the power fails. What it found is what it
/// goes on from: that must not go back.
Outcome killed_first() {
  Outcome out;
  const auto script = [](Run& run) {
    Status done = run.open();
    for (const auto& step : Run::steps()) {
      if (done) done = step(run);
    }
    return done.has_value();
  };
  bool killed = true;
  for (std::size_t n = 1; killed; ++n) {
    Run run;
    run.history.disk.fault = {.change = n, .error = EIO, .from_then_on = true};
    killed = !script(run);
    run.history.disk.fault.reset();
    const std::size_t first = run.history.disk.calls.size();
    if (!run.open()) out.note("a store does not open after its daemon was killed");
    if (!run.write("e", 9, 300)) out.note("a store cannot be written after its daemon was killed");
    check(run, false, out, first);
  }
  return out;
}

/// One call fails: the error is said, the old record stays, a second try works, and no file is left over.
Outcome failing_calls(int error) {
  Outcome out;
  bool reached = true;
  for (std::size_t n = 1; reached; ++n) {
    Run run;
    run.history.disk.fault = {.change = n, .error = error};
    const auto careful = [&](const std::function<Status()>& step, bool is_open) {
      const Records before = is_open ? Records{} : run.records();
      const Status first = step();
      if (first) return;
      const Errc expected = error == ENOSPC  ? Errc::disk_full
                            : error == EROFS ? Errc::read_only
                                             : Errc::storage_failed;
      if (first.error().code != expected) out.note("a failed call is reported as " + first.error().message());
      for (const auto& [name, value] : is_open ? Records{} : run.records()) {
        if (!value) out.note("record " + name + " does not open after a failed call");
      }
      if (!is_open) {
        for (const auto& [name, value] : before) {
          if (name == "e" && !run.records().contains(name))
            out.note("another record is lost by a failed call");
        }
      }
      if (const Status second = step(); !second) out.note("a second try fails: " + second.error().message());
    };
    careful([&] { return run.open(); }, true);
    (void)run.write("e", 9, 100);
    for (const auto& step : Run::steps()) careful([&] { return step(run); }, false);
    reached = run.history.disk.changes >= n;
    for (const auto& [path, content] : run.found()) {
      if (is_temporary_file_name(path.substr(path.find('/') + 1))) out.note("a failed call leaves " + path);
    }
    ++out.states;
  }
  return out;
}

bool expect(const char* what, const Outcome& outcome, bool broken) {
  std::printf("%s: %zu states, %zu recoveries, %s\n", what, outcome.states, outcome.recoveries,
              outcome.broken.empty() ? "as promised" : "");
  for (const std::string& one : outcome.broken) std::printf("  %s\n", one.c_str());
  const bool good = outcome.broken.empty() != broken;
  if (!good) std::printf("  NOT AS EXPECTED\n");
  return good;
}

}  // namespace

int main() {
  bool good = expect("power cuts", power_cuts(Habit::none), false);
  good = expect("each fsync left out", lost_syncs(), false) && good;
  good = expect("killed, then a power cut", killed_first(), false) && good;
  for (const int error : {EIO, ENOSPC, EROFS}) {
    good = expect(std::strerror(error), failing_calls(error), false) && good;
  }
  for (const auto& [habit, name] : {std::pair(Habit::no_sync_of_the_file, "planted: no fsync of the file"),
                                    {Habit::no_sync_of_the_folder, "planted: no fsync of the folder"},
                                    {Habit::rename_before_sync, "planted: rename before fsync"},
                                    {Habit::old_one_removed_first, "planted: the old one removed first"},
                                    {Habit::in_place, "planted: overwritten in place"},
                                    {Habit::in_place_truncated, "planted: truncated in place"},
                                    {Habit::zeros_before_unlink, "planted: zeros under the record's name"}}) {
    good = expect(name, power_cuts(habit), true) && good;
  }
  return good ? 0 : 1;
}
