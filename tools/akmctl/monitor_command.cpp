#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>

#include "daemon/base/hex.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

constexpr std::array kSeverities{"emergency", "alert",  "critical", "error",
                                 "warning",   "notice", "info",     "debug"};

std::string event_text(dbus::Service service, const EventRecord& event) {
  const char* severity = event.severity < kSeverities.size() ? kSeverities[event.severity] : "unknown";
  std::string out = fmt::format("{:>12.3f}  {:<4}  {:<8}  {}", static_cast<double>(event.boottime_ns) / 1e9,
                                short_name(service), severity, event.name);
  if (event.asr_id != 0) out += "  asr=" + hex_id(event.asr_id);
  for (const auto& [key, value] : event.fields) out += fmt::format("  {}={}", key, value);
  return out;
}

Status monitor(Session& session, std::uint64_t count) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.connect());
  // Whoever reads a pipe gets each event when it happens.
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::uint64_t seen = 0;
  return proxy->follow(
      [&] {
        if (!session.options.json)
          fmt::print(stderr, "Following events; end with Ctrl-C. Times are seconds since boot.\n");
      },
      [&](dbus::Service service, const EventRecord& event) {
        say(session, event_text(service, event), json_of(service, event));
        ++seen;
        return (count == 0 || seen < count) && std::ferror(stdout) == 0;
      });
}

}  // namespace

void add_monitor_command(CLI::App& app, Session& session) {
  const auto count = std::make_shared<std::uint64_t>(0);
  CLI::App* sub = app.add_subcommand("monitor", "Follow the events of node, NMM and Root on this bus, live");
  sub->add_option("--count", *count, "End after so many events");
  sub->callback(
      [&session, count] { session.command = [&session, count] { return monitor(session, *count); }; });
}

}  // namespace akm::ctl
