#pragma once
// A sealed store in memory that can be told to fail: the seam through which the NMM's tests inject storage
// faults.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/sealed_store.h"
#include "tests/support/kill_point.h"

namespace akm::nmm::test {

class MemoryStore final : public store::SealedStore {
 public:
  Result<SecretBuffer> read(std::string_view name) override {
    if (name == corrupt) return fail(Errc::state_corrupt, std::string(name));
    const auto at = records.find(name);
    if (at == records.end()) return fail(Errc::not_found, std::string(name));
    return SecretBuffer::copy_of(at->second);
  }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    if (failing || (failing_names && name.starts_with(*failing_names)))
      return fail(Errc::disk_full, std::string(name));
    if (!kill.pass()) return fail(Errc::storage_failed, "killed");
    if (disk != nullptr) AKM_TRY(disk->write(name, record));
    ++writes;
    ++writings;
    records[std::string(name)] = {record.begin(), record.end()};
    (void)kill.pass();
    return {};
  }
  Status write_all(std::span<const store::NamedRecord> group) override {
    const std::size_t before = writings;
    if (disk == nullptr || failing) {
      const Status written = SealedStore::write_all(group);
      writings = before + 1;
      return written;
    }
    AKM_TRY(disk->write_all(group));
    ++writings;
    for (const auto& [name, record] : group) records[name] = {record.begin(), record.end()};
    return {};
  }
  Status remove(std::string_view name) override {
    if (failing || !kill.pass()) return fail(Errc::storage_failed, std::string(name));
    if (disk != nullptr) AKM_TRY(disk->remove(name));
    records.erase(std::string(name));
    return {};
  }
  Result<std::vector<std::string>> list() override {
    std::vector<std::string> out;
    for (const auto& [name, record] : records) out.push_back(name);
    return out;
  }

  std::map<std::string, std::vector<std::uint8_t>, std::less<>> records;
  bool failing = false;
  std::optional<std::string> failing_names;  // that begin so
  std::optional<std::string> corrupt;        // the name of one that does not open
  std::size_t writes = 0;
  std::size_t writings = 0;  // several records written together are one
  akm::test::KillPoint kill;
  SealedStore* disk = nullptr;  // every change goes there first
};

/// The same bytes for the same seed.
class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  Status fill(std::span<std::uint8_t> out) override {
    for (std::uint8_t& byte : out) {  // SplitMix64
      std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
      byte = static_cast<std::uint8_t>((z ^ (z >> 31)) >> 56);
    }
    return {};
  }

 private:
  std::uint64_t state_;
};

}  // namespace akm::nmm::test
