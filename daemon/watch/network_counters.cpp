#include "daemon/watch/network_counters.h"

#include <algorithm>
#include <charconv>

#include "daemon/watch/baseline.h"
#include "daemon/watch/system_file.h"

namespace akm::watch {
namespace {

std::string_view next(std::string_view& rest, char end) {
  const std::size_t at = rest.find(end);
  const std::string_view out = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view() : rest.substr(at + 1);
  return out;
}

}  // namespace

// Two lines for each protocol: "Tcp: NAME NAME ..." and "Tcp: 1 2 ...".
std::optional<std::uint64_t> snmp_counter(std::string_view text, std::string_view protocol,
                                          std::string_view name) {
  const std::string begin = std::string(protocol) + ":";
  while (!text.empty()) {
    std::string_view names = next(text, '\n');
    if (!names.starts_with(begin)) continue;
    std::string_view values = next(text, '\n');
    while (!names.empty() && !values.empty()) {
      const std::string_view one = next(names, ' ');
      const std::string_view value = next(values, ' ');
      std::uint64_t out = 0;
      if (one != name) continue;
      if (std::from_chars(value.data(), value.data() + value.size(), out).ec != std::errc{}) break;
      return out;
    }
    return std::nullopt;
  }
  return std::nullopt;
}

void NetworkCounters::look(Instant now, const Tell& tell) {
  const auto text = read_system_file(path_);
  const auto resets = text ? snmp_counter(*text, "Tcp", "OutRsts") : std::nullopt;
  const auto no_port = text ? snmp_counter(*text, "Udp", "NoPorts") : std::nullopt;
  if (!resets || !no_port) return;
  const std::uint64_t refused = *resets + *no_port;
  const std::uint64_t before = refused_.value_or(refused);
  const auto seconds =
      std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(now - last_).count());
  refused_ = refused;
  last_ = now;
  const std::uint64_t a_second = (refused - std::min(before, refused)) / static_cast<std::uint64_t>(seconds);
  const bool scan = a_second >= rate_;
  if (scan == scanned_) return;
  scanned_ = scan;
  tell(seen(policy::DetectionClass::network_scan, now,
            {"refused connections and datagrams a second", scan ? "few" : "many", std::to_string(a_second),
             !scan}));
}

}  // namespace akm::watch
