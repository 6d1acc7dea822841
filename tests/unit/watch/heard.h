#pragma once
// What a watch told in a test.
#include <string>
#include <vector>

#include "daemon/policy/grading.h"
#include "daemon/watch/watch.h"

namespace akm::test {

struct Heard {
  std::vector<policy::Detection> all;

  watch::Tell tell() {
    return [this](const policy::Detection& one) { all.push_back(one); };
  }
  /// Looks once, at `seconds` since boot; how many were told by it.
  std::size_t look(watch::Watch& at, std::int64_t seconds = 1) {
    const std::size_t before = all.size();
    at.look(Instant{seconds * 1'000'000'000}, tell());
    return all.size() - before;
  }
  [[nodiscard]] policy::DetectionClass last_class() const { return all.back().detection; }
  [[nodiscard]] policy::Grade last_grade() const { return policy::grade(all.back()); }
  [[nodiscard]] std::string last(const std::string& field) const {
    const auto found = all.back().evidence.find(field);
    return found == all.back().evidence.end() ? std::string() : found->second;
  }
};

}  // namespace akm::test
