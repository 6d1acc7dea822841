#pragma once
// The power fails after every call that a program made, and after every promise that it gave: the states that
// the disk may be in then (crash_states.h) are laid out as files, for the product's own recovery to open, and
// compared with what had been promised.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/store/sealed_store.h"
#include "tests/support/crash_states.h"
#include "tests/support/disk_calls.h"

namespace akm::testing {

/// A folder in memory that goes with its owner: what fsync costs here is nothing, since what it does is
/// modelled.
class MemoryFolder {
 public:
  MemoryFolder() {
    if (::access("/dev/shm", W_OK) != 0) path_ = "/tmp/akm-disk-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;
  ~MemoryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  /// The folder holds this and nothing else.
  void lay_out(const DiskTree& tree) const {
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      std::filesystem::remove_all(entry.path());
    for (const auto& [name, content] : tree) {
      const std::string path = path_ + "/" + name;
      if (!content) {
        if (::mkdir(path.c_str(), 0700) != 0) std::abort();
        continue;
      }
      const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
      if (::write(fd.get(), content->data(), content->size()) != static_cast<ssize_t>(content->size()))
        std::abort();
    }
  }
  [[nodiscard]] DiskTree found() const {
    DiskTree tree;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
      DiskFile& file = tree[entry.path().string().substr(path_.size() + 1)];
      if (!entry.is_regular_file()) continue;
      file.emplace(entry.file_size(), '\0');
      const UniqueFd fd(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      if (::read(fd.get(), file->data(), file->size()) != static_cast<ssize_t>(file->size())) std::abort();
    }
    return tree;
  }

 private:
  std::string path_ = "/dev/shm/akm-disk-XXXXXX";
};

inline std::string text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What a store held when it had been opened; nothing for a record that does not open.
using Records = std::map<std::string, std::optional<std::string>>;

inline Records records_of(store::SealedStore& store) {
  Records out;
  const auto names = store.list();
  if (!names) return {{"(no list)", std::nullopt}};
  for (const std::string& name : *names) {
    const auto record = store.read(name);
    out.emplace(name, record ? std::optional(text_of(record->reveal())) : std::nullopt);
  }
  return out;
}

/// What the records of a store may be, by what was promised so far.
class Promises {
 public:
  using Value = std::optional<std::string>;  // nothing: there is no such record

  void may_become(const std::string& name, const Value& value) {
    if (!may_be_.contains(name)) may_be_[name] = {std::nullopt};
    may_be_[name].insert(value);
  }
  void is(const std::string& name, const Value& value) { may_be_[name] = {value}; }
  /// Found by a daemon that goes on from it: what it says from now on rests on this.
  void is(const Records& found) {
    may_be_.clear();
    for (const auto& [name, value] : found) is(name, value);
  }
  /// Empty when all is as promised.
  [[nodiscard]] std::string broken_by(const Records& found) const {
    for (const auto& [name, value] : found) {
      if (!value) return "record " + name + " does not open";
      const auto promised = may_be_.find(name);
      if (promised == may_be_.end()) return "record " + name + " was never written";
      if (!promised->second.contains(value)) return "record " + name + " is neither the old nor the new one";
    }
    for (const auto& [name, values] : may_be_) {
      if (!found.contains(name) && !values.contains(std::nullopt)) return "record " + name + " is lost";
    }
    return {};
  }

 private:
  std::map<std::string, std::set<Value>> may_be_;
};

/// Calls and promises of one run, in order. `Expected` is what the test keeps of the promises.
template <typename Expected>
class History {
 public:
  explicit History(const std::string& folder) : disk(folder) {}

  /// Something that is promised from now on.
  void promise(std::function<void(Expected&)> what) { note(std::move(what), true); }
  /// Something that may happen from now on: nothing to check yet.
  void allow(std::function<void(Expected&)> what) { note(std::move(what), false); }

  using Check = std::function<void(const DiskTree& state, const Expected& expected)>;
  /// Each state after each call and promise from number `first` on. Returns how many there were.
  std::size_t each_state(const DiskModel::Bounds& bounds, const Check& check, std::size_t first = 0) const {
    DiskModel model;
    Expected expected;
    SeededRandom random(4711);
    std::size_t states = 0;
    for (std::size_t i = 0; i < disk.calls.size(); ++i) {
      const DiskCall& call = disk.calls[i];
      model.apply(call);
      bool worth_it = true;
      if (call.kind == DiskCall::Kind::note) {
        notes_[call.at].what(expected);
        worth_it = notes_[call.at].promises;
      }
      if (!worth_it || i < first) continue;
      model.each_state(bounds, random, [&](const DiskTree& state) {
        ++states;
        check(state, expected);
      });
    }
    return states;
  }
  /// The model after all calls. That it shows the files that are there proves that no call went past the
  /// recorder.
  [[nodiscard]] DiskModel model() const {
    DiskModel model;
    for (const DiskCall& call : disk.calls) model.apply(call);
    return model;
  }

  DiskCalls disk;

 private:
  struct Note {
    std::function<void(Expected&)> what;
    bool promises;
  };
  void note(std::function<void(Expected&)> what, bool promises) {
    disk.note(notes_.size());
    notes_.push_back({std::move(what), promises});
  }

  std::vector<Note> notes_;
};

/// Notes what a store is asked for and what it promises by returning. `of` finds the store's promises.
template <typename Expected>
class WitnessedStore final : public store::SealedStore {
 public:
  using Of = std::function<Promises&(Expected&)>;
  WitnessedStore(std::unique_ptr<SealedStore> store, History<Expected>& history, Of of)
      : store_(std::move(store)), history_(history), of_(std::move(of)) {}

  Result<SecretBuffer> read(std::string_view name) override { return store_->read(name); }
  Result<std::vector<std::string>> list() override { return store_->list(); }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    begins(std::string(name), text_of(record));
    AKM_TRY(store_->write(name, record));
    done(std::string(name), text_of(record));
    return {};
  }
  Status write_all(std::span<const store::NamedRecord> records) override {
    for (const auto& [name, record] : records) begins(name, text_of(record));
    AKM_TRY(store_->write_all(records));
    for (const auto& [name, record] : records) done(name, text_of(record));
    return {};
  }
  Status remove(std::string_view name) override {
    begins(std::string(name), std::nullopt);
    AKM_TRY(store_->remove(name));
    done(std::string(name), std::nullopt);
    return {};
  }

 private:
  void begins(std::string name, Promises::Value value) {
    history_.allow([of = of_, name = std::move(name), value = std::move(value)](Expected& expected) {
      of(expected).may_become(name, value);
    });
  }
  void done(std::string name, Promises::Value value) {
    history_.promise([of = of_, name = std::move(name), value = std::move(value)](Expected& expected) {
      of(expected).is(name, value);
    });
  }

  std::unique_ptr<SealedStore> store_;
  History<Expected>& history_;
  Of of_;
};

}  // namespace akm::testing
