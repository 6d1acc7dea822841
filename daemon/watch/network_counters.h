#pragma once
// D26 as far as the kernel's own counters tell: many connections refused and datagrams for no port. From whom
// is not in them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/watch/watch.h"

namespace akm::watch {

/// A counter of /proc/net/snmp: ("Tcp", "OutRsts"). None when it is not there.
std::optional<std::uint64_t> snmp_counter(std::string_view text, std::string_view protocol,
                                          std::string_view name);

class NetworkCounters final : public Watch {
 public:
  /// `rate`: refusals a second, on the average since the last look, that are a scan. `path`: /proc/net/snmp.
  explicit NetworkCounters(std::uint32_t rate, std::string path = "/proc/net/snmp")
      : rate_(rate), path_(std::move(path)) {}
  void look(Instant now, const Tell& tell) override;

 private:
  std::uint32_t rate_;
  std::string path_;
  std::optional<std::uint64_t> refused_;
  Instant last_;
  bool scanned_ = false;
};

}  // namespace akm::watch
