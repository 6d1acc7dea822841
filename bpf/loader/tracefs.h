#pragma once
// Numbers of tracepoints. tracefs is used where it is mounted; where it is not (containers, minimal systems),
// a private instance is opened that nobody else sees.
#include <cstdint>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace akm::bpf {

class Tracefs {
 public:
  /// probe_failed when there is none and none may be opened.
  static Result<Tracefs> open();
  /// Number of a tracepoint; not_found when this kernel has none of that name.
  [[nodiscard]] Result<std::uint64_t> event_id(std::string_view category, std::string_view event) const;

 private:
  explicit Tracefs(UniqueFd folder) : folder_(std::move(folder)) {}
  UniqueFd folder_;
};

}  // namespace akm::bpf
