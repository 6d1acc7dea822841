#pragma once
// A recorded incident as JSON lines (akmctl incident export): one record a line, with class, grade, outcome,
// boottime_ns, node, asr, subject and evidence. Other fields are left alone, and so are records without
// a class or an outcome.
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/policy/detection.h"

namespace akm::ctl {

inline constexpr std::size_t kIncidentLines = 65536;
inline constexpr std::size_t kIncidentLineBytes = 65536;

struct IncidentRecord {
  policy::Detection detection;
  policy::Grade recorded{};  // the grade that it had
  std::string node;
  std::string asr;
};

/// malformed with "FILE:LINE: what"; io_failed, too_large.
Result<std::vector<IncidentRecord>> read_incident(const std::string& path);

}  // namespace akm::ctl
