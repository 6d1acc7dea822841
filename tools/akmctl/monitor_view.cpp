#include "tools/akmctl/monitor_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/base/hex.h"
#include "daemon/base/instant.h"
#include "tools/akmctl/age.h"
#include "tools/akmctl/names.h"
#include "tools/akmctl/overview.h"
#include "tools/akmctl/screen.h"
#include "tools/akmctl/table.h"
#include "tools/akmctl/visible.h"

namespace akm::ctl {
namespace {

constexpr std::array kSeverities{"emergency", "alert",  "critical", "error",
                                 "warning",   "notice", "info",     "debug"};
constexpr std::uint8_t kWarning = 4;

/// A line in one tone, or with a first word in another.
struct Line {
  std::string text;
  Tone tone = Tone::plain;
  std::string mark = {};  // before the text
  Tone mark_tone = Tone::plain;
};
using Lines = std::vector<Line>;

std::string drawn(const Line& line, std::size_t columns) {
  const std::string mark(first_columns(line.mark, columns));
  return paint(line.mark_tone, mark) +
         paint(line.tone, first_columns(line.text, columns - ctl::columns(mark)));
}

std::string padded(const std::string& text, std::size_t width) {
  return std::string(first_columns(text, width)) + std::string(width - std::min(columns(text), width), ' ');
}

/// At most `room` of them; what does not fit is counted in the last line.
Lines fitting(Lines lines, std::size_t room) {
  if (lines.size() <= room) return lines;
  const std::size_t left_out = lines.size() - room + 1;
  lines.resize(room);
  if (room > 0) lines.back() = {.text = fmt::format("  and {} more", left_out), .tone = Tone::faint};
  return lines;
}

struct Row {
  std::string name, kind, state, epoch, heard;
  Tone tone = Tone::plain;
};

std::string heard_at(const AsrSnapshot& asr) {
  std::int64_t last = 0;
  for (const MemberSnapshot& one : asr.members) last = std::max(last, one.last_heard_ns);
  return age(last, asr.now_ns);
}

Row row_of(const AsrSnapshot& asr) {
  Row out{.name = visible(asr.label),
          .kind = asr.kind == "provisioning" ? "to NMM" : "ASR",
          .state = visible(asr.phase),
          .epoch = fmt::format("{}.{}", asr.generation, asr.epoch),
          .heard = heard_at(asr)};
  if (!asr.chain.empty() && asr.chain != "normal") out.state += " (" + visible(asr.chain) + ")";
  if (!asr.stragglers.empty()) out.state = fmt::format("waits for {}", asr.stragglers.size());
  if (out.state.contains(' ') || asr.phase == "unconfirmed") out.tone = Tone::doubtful;
  return out;
}

Row row_of(const nmm::NodeSnapshot& node, std::int64_t now_ns) {
  Row out{.name = visible(node.name),
          .kind = "node",
          .state = visible(node.state),
          .epoch = {},
          .heard = age(node.last_heard_ns, now_ns)};
  if (node.state == "silent") out.tone = Tone::doubtful;
  if (node.state == "quarantined") out.tone = Tone::bad;
  return out;
}

std::vector<Row> rows_of(const Sighting& sighting) {
  std::vector<Row> all;
  all.reserve(sighting.nodes.size() + sighting.nmm_asrs.size() + sighting.node_asrs.size());
  // Of another machine's daemon its own clock counts.
  const std::int64_t now_ns =
      sighting.nmm_asrs.empty() ? boottime_now().ns : sighting.nmm_asrs.front().now_ns;
  for (const nmm::NodeSnapshot& one : sighting.nodes) all.push_back(row_of(one, now_ns));
  for (const AsrSnapshot& one : sighting.nmm_asrs) all.push_back(row_of(one));
  for (const AsrSnapshot& one : sighting.node_asrs) all.push_back(row_of(one));
  // What is not well is seen though there is no room for all.
  std::vector<Row> out;
  for (const Tone tone : {Tone::bad, Tone::doubtful, Tone::plain})
    std::ranges::copy_if(all, std::back_inserter(out), [&](const Row& one) { return one.tone == tone; });
  return out;
}

Lines table_of(const std::vector<Row>& rows, std::size_t columns) {
  if (rows.empty()) return {};
  std::size_t name = 4;
  std::size_t state = 5;
  for (const Row& one : rows) {
    name = std::max(name, ctl::columns(one.name));
    state = std::max(state, ctl::columns(one.state));
  }
  name = std::min(name, std::max<std::size_t>(columns / 3, 4));
  state = std::min(state, std::max<std::size_t>(columns / 3, 5));
  const auto text = [&](const Row& row) {
    return fmt::format("{}  {}  {:<6}  {:>8}  {}", padded(row.name, name), padded(row.state, state), row.kind,
                       row.epoch, row.heard);
  };
  Lines out{
      {.text = text({.name = "NAME", .kind = "KIND", .state = "STATE", .epoch = "EPOCH", .heard = "HEARD"}),
       .tone = Tone::strong}};
  for (const Row& one : rows) out.push_back({.text = text(one), .tone = one.tone});
  return out;
}

Lines head_of(const MonitorView& view, const Checks& checks) {
  Line first{.text = "  " + view.place + "  q: quit"};
  if (!view.lost.empty()) {
    first.mark = "No connection, trying again";
    first.mark_tone = Tone::bad;
  } else if (view.sighting.nothing()) {
    first.mark = "No daemon of AKM is there";
    first.mark_tone = Tone::bad;
  } else {
    first.mark = verdict_text(checks);
    first.mark_tone = verdict_tone(checks);
  }
  Lines out{first};
  if (!view.lost.empty()) out.push_back({.text = visible(view.lost)});
  for (const DaemonLine& one : lines_of(view.sighting)) {
    out.push_back({.text = visible(fmt::format("{:<9} {:<8}  {}  {}", program_of(one.service), one.state,
                                               one.name, one.summary))});
  }
  return out;
}

Lines lines_of_checks(const Checks& checks) {
  Lines out;
  for (const Check& one : checks) {
    out.push_back({.text = visible((one.name.empty() ? "" : one.name + ": ") + one.says),
                   .mark = std::string(health_name(one.health)) + "  ",
                   .mark_tone = tone_of(one.health)});
  }
  return out;
}

Lines last_events(const std::deque<SeenEvent>& events, std::size_t room) {
  Lines out;
  const std::size_t count = std::min(events.size(), room);
  for (std::size_t i = events.size() - count; i < events.size(); ++i) {
    const std::uint8_t severity = events[i].event.severity;
    const Tone tone = severity < kWarning ? Tone::bad : severity == kWarning ? Tone::doubtful : Tone::plain;
    out.push_back({.text = event_text(events[i]), .tone = tone});
  }
  return out;
}

}  // namespace

std::string event_text(const SeenEvent& seen) {
  const EventRecord& event = seen.event;
  const char* severity = event.severity < kSeverities.size() ? kSeverities.at(event.severity) : "unknown";
  std::string out = fmt::format("{:>12.3f}  {:<4}  {:<8}  {}", static_cast<double>(event.boottime_ns) / 1e9,
                                short_name(seen.service), severity, event.name);
  if (event.asr_id != 0) out += "  asr=" + hex_id(event.asr_id);
  for (const auto& [key, value] : event.fields) out += fmt::format("  {}={}", key, value);
  return visible(out);
}

std::vector<std::string> picture(const MonitorView& view, Size size) {
  const Checks checks = checks_of(view.sighting);
  Lines all = fitting(head_of(view, checks), size.rows);
  const auto add = [&](Lines lines, std::size_t room) {
    std::ranges::move(fitting(std::move(lines), room), std::back_inserter(all));
  };
  const auto left = [&] { return size.rows - all.size(); };
  add(lines_of_checks(checks), left() / 4);
  // Half for each of the two, and what one of them does not need is the other's.
  const std::size_t for_events = std::min(view.events.size() + 1, left() / 2);
  add(table_of(rows_of(view.sighting), size.columns), left() - for_events);
  if (left() > 1) all.push_back({.text = "EVENTS (seconds since boot)", .tone = Tone::strong});
  add(last_events(view.events, left()), left());
  std::vector<std::string> out;
  for (const Line& one : all) out.push_back(drawn(one, size.columns));
  return out;
}

}  // namespace akm::ctl
