// An NMM on a real sealed store, while it makes its root secret, prepares and activates nodes, makes
// relationships, renews one, evicts a node and deletes a relationship. The power of its machine fails after
// any call to the disk (tests/support/crash_states.h); the nodes go on. What it had promised is there, it
// starts without a finding, and in the end every relationship that it knows of is on one generation and one
// key at all of its members.
#include <cstdio>

#include "tests/support/power_loss.h"
#include "tests/unit/nmm/nmm_net.h"

namespace {

using namespace akm;
using namespace std::chrono_literals;
using akm::nmm::test::NmmNet;
using akm::testing::DiskTree;
using akm::testing::History;
using akm::testing::MemoryFolder;
using akm::testing::Promises;
using akm::testing::Records;
using akm::testing::WitnessedStore;

constexpr std::size_t kNodes = 4;
constexpr const char* kFolder = "/records";
constexpr std::size_t kSyncsOfOpening = 2;  // of an empty store: the folder above, the folder

struct Expected {
  Promises promises;
  std::size_t changes = 0;  // that had been begun
};

Result<std::unique_ptr<store::SealedStore>> opened(const MemoryFolder& folder, RandomSource& random) {
  return store::SealedStore::open(folder.path() + kFolder, SecretBytes<32>(), random);
}

struct PowerLost {};

/// Counts the changes; the power may fail in one of them.
class Counted final : public store::SealedStore {
 public:
  explicit Counted(SealedStore* next, std::function<void(std::size_t)> begins = {})
      : next_(next), begins_(std::move(begins)) {}
  Result<SecretBuffer> read(std::string_view name) override {
    return fail(Errc::not_found, std::string(name));
  }
  Result<std::vector<std::string>> list() override { return std::vector<std::string>(); }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    count();
    return next_ != nullptr ? next_->write(name, record) : Status();
  }
  Status write_all(std::span<const store::NamedRecord> records) override {
    count();
    return next_ != nullptr ? next_->write_all(records) : Status();
  }
  Status remove(std::string_view name) override {
    count();
    return next_ != nullptr ? next_->remove(name) : Status();
  }
  std::size_t fails_at = 0;

 private:
  void count() {
    if (++changes_ == fails_at) throw PowerLost();
    if (begins_) begins_(changes_);
  }
  SealedStore* next_;
  std::function<void(std::size_t)> begins_;
  std::size_t changes_ = 0;
};

/// The same each time, up to where the power fails.
void tell(NmmNet& net) {
  net.nmm->create_root_secret([](const Status&) {});
  net.activate_all();
  const protocol::AsrId all = net.create(kNodes);
  const protocol::AsrId two = net.create(2);
  net.nmm->rekey(all, [](const Status&) {});
  net.run(3s);
  net.nmm->quarantine(net.nodes[3]->node_id, [](const Status&) {});
  net.run(3s);
  net.nmm->delete_asr(two, [](const Status&) {});
  net.run(3s);
}

/// The root secret is made in the story, not before it.
NmmNet& emptied(NmmNet& net) {
  net.store.records.clear();
  net.restart_nmm();
  return net;
}

class Inspection {
 public:
  void look(const DiskTree& state, const Expected& expected) {
    const auto [at, is_new] = known_.try_emplace(state);
    if (is_new) {
      folder_.lay_out(state);
      akm::testing::SeededRandom random(7);
      const auto store = opened(folder_, random);
      if (store) at->second = akm::testing::records_of(**store);
      if (!store) note("the store does not open: " + store.error().message());
    }
    note(expected.promises.broken_by(at->second));
    if (went_on_.emplace(at->second, expected.changes).second) go_on(at->second, expected.changes);
  }
  [[nodiscard]] const std::vector<std::string>& broken() const { return broken_; }
  [[nodiscard]] std::size_t starts() const { return known_.size(); }
  [[nodiscard]] std::size_t went_on() const { return went_on_.size(); }
  [[nodiscard]] std::size_t met() const { return met_; }

 private:
  void note(const std::string& what) {
    if (!what.empty() && std::ranges::find(broken_, what) == broken_.end()) broken_.push_back(what);
  }

  void go_on(const Records& records, std::size_t changes) {
    NmmNet net(kNodes);
    Counted disk(nullptr);
    disk.fails_at = changes;
    emptied(net).store.disk = &disk;
    try {
      tell(net);
    } catch (const PowerLost&) {
    }
    net.store.disk = nullptr;
    net.store.records.clear();
    for (const auto& [name, record] : records) {
      if (record) net.store.records[name] = {record->begin(), record->end()};
    }
    net.restart_nmm();
    for (const std::string& finding : net.nmm->status().findings) note("a finding: " + finding);
    for (int i = 0; i < 40; ++i) {
      net.run(5s);
      for (const auto& node : net.nodes) {
        if (node->node_id != 0) node->heartbeat();
      }
    }
    for (const AsrSnapshot& asr : net.nmm->asrs()) meets(net, asr, changes);
  }

  void meets(const NmmNet& net, const AsrSnapshot& asr, std::size_t changes) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < kNodes; ++i) {
      const auto is_member = [&](const auto& member) { return member.node_id == net.nodes[i]->node_id; };
      if (std::ranges::any_of(asr.members, is_member)) members.push_back(i);
    }
    if (members.empty()) return note("a relationship without members");
    ++met_;
    if (net.agreed(asr.id, asr.generation, members)) return;
    note("a relationship does not come together after a power cut in change " + std::to_string(changes));
  }

  MemoryFolder folder_;
  std::map<DiskTree, Records> known_;
  std::set<std::pair<Records, std::size_t>> went_on_;
  std::size_t met_ = 0;
  std::vector<std::string> broken_;
};

std::vector<std::string> run(const char* what, std::size_t lost_sync) {
  const MemoryFolder folder;
  nmm::test::SeededRandom random(17);
  History<Expected> history(folder.path());
  auto real = opened(folder, random);
  if (!real) return {"the store does not open: " + real.error().message()};
  history.disk.lost_sync = lost_sync;
  WitnessedStore<Expected> witnessed(std::move(*real), history,
                                     [](Expected& expected) -> Promises& { return expected.promises; });
  Counted disk(&witnessed, [&history](std::size_t change) {
    history.allow([change](Expected& expected) { expected.changes = change; });
  });
  NmmNet net(kNodes);
  emptied(net).store.disk = &disk;
  tell(net);
  Inspection inspection;
  std::size_t states = 0;
  for (const bool in_order : {true, false}) {
    states += history.each_state({.exhaustive = 64, .samples = 16, .names_in_order = in_order},
                                 [&](const DiskTree& state, const Expected& expected) {
                                   // Of a planted mistake one trace is enough.
                                   if (lost_sync == 0 || inspection.broken().empty())
                                     inspection.look(state, expected);
                                 });
  }
  std::vector<std::string> broken = inspection.broken();
  if (history.model().seen() != folder.found()) broken.emplace_back("a call went past the recorder");
  if (lost_sync == 0 && inspection.met() == 0) broken.emplace_back("nothing was seen to come together");
  std::printf("%s: %zu states, %zu starts, %zu runs on, %zu relationships at their end\n", what, states,
              inspection.starts(), inspection.went_on(), inspection.met());
  for (const std::string& one : broken) std::printf("  %s\n", one.c_str());
  return broken;
}

}  // namespace

int main() {
  nmm::test::quiet();
  const bool good = run("power cuts", 0).empty();
  // The first of the story's records: its file, then its folder.
  const bool found = !run("planted: no fsync of a file", kSyncsOfOpening + 1).empty() &&
                     !run("planted: no fsync of the folder", kSyncsOfOpening + 2).empty();
  return good && found ? 0 : 1;
}
