#pragma once
// A SealedStore in memory whose faults a test switches on.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/sealed_store.h"
#include "tests/support/kill_point.h"

namespace akm::test {

class MemoryStore final : public store::SealedStore {
 public:
  Result<SecretBuffer> read(std::string_view name) override {
    if (corrupt.contains(std::string(name))) return fail(Errc::state_corrupt, std::string(name));
    const auto found = records.find(name);
    if (found == records.end()) return fail(Errc::not_found, std::string(name));
    return SecretBuffer::copy_of(found->second);
  }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    if (fail_writes || (fail_writes_of && name.starts_with(*fail_writes_of)))
      return fail(Errc::disk_full, "test");
    if (!kill.pass()) return fail(Errc::storage_failed, "killed");
    records.insert_or_assign(std::string(name), std::vector<std::uint8_t>(record.begin(), record.end()));
    log.push_back("write " + std::string(name));
    (void)kill.pass();
    return {};
  }
  Status remove(std::string_view name) override {
    if (fail_removes) return fail(Errc::read_only, "test");
    if (!kill.pass()) return fail(Errc::storage_failed, "killed");
    records.erase(std::string(name));
    log.push_back("remove " + std::string(name));
    return {};
  }
  Result<std::string> set_aside(std::string_view name) override {
    const std::string kept = std::string(store::kDamagedPrefix) + "1-" + std::string(name);
    auto record = records.extract(std::string(name));
    if (!record.empty()) {
      record.key() = kept;
      records.insert(std::move(record));
    }
    corrupt.erase(std::string(name));
    log.push_back("set aside " + std::string(name));
    return kept;
  }
  Result<std::vector<std::string>> list() override {
    std::vector<std::string> out;
    for (const auto& [name, record] : records) out.push_back(name);
    return out;
  }

  std::map<std::string, std::vector<std::uint8_t>, std::less<>> records;
  std::map<std::string, bool> corrupt;
  std::vector<std::string> log;
  bool fail_writes = false;
  bool fail_removes = false;
  std::optional<std::string> fail_writes_of;  // names that begin so
  KillPoint kill;
};

}  // namespace akm::test
