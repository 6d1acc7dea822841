#pragma once
// What akmctl metrics makes, and what each of it means (docs/metrics.md has the same table).
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace akm::ctl {

enum class MetricKind : std::uint8_t { counter, gauge, info };
/// "counter", "gauge", "info".
std::string_view kind_name(MetricKind kind);

enum class Subject : std::uint8_t { node = 1, nmm = 2, root = 4, asr = 8 };

struct Metric {
  std::string_view family;  // behind "akm_node_" and the like
  MetricKind kind = MetricKind::counter;
  std::uint8_t subjects = 0;  // bits of Subject
  /// The daemon's counter that it comes from; one that ends with "_" stands for all that begin so, and what
  /// comes after it is the label. Empty: made of other properties.
  std::string_view source;
  std::string_view labels;  // "reason", "asr, label"; empty: none
  std::string_view help;

  [[nodiscard]] bool of(Subject subject) const {
    return (subjects & static_cast<std::uint8_t>(subject)) != 0;
  }
};

/// In the order of the output; the exact ones before what their names begin with.
std::span<const Metric> metric_table();
/// "akm_node_frames_received".
std::string full_name(Subject subject, std::string_view family);

}  // namespace akm::ctl
