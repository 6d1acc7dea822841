#include "tools/akmctl/monitor_view.h"

#include <criterion/criterion.h>

#include <algorithm>

#include "tools/akmctl/screen.h"
#include "tools/akmctl/table.h"

using namespace akm;
using namespace akm::ctl;

namespace {

constexpr std::int64_t kSecond_ns = 1'000'000'000;

AsrSnapshot relationship(const std::string& label) {
  AsrSnapshot out;
  out.id = 7;
  out.label = label;
  out.kind = "operational";
  out.phase = "established";
  out.generation = 3;
  out.epoch = 17;
  out.now_ns = 100 * kSecond_ns;
  out.members.resize(2);
  out.members[1].last_heard_ns = 96 * kSecond_ns;
  return out;
}

nmm::NodeSnapshot listed(const std::string& name, const std::string& state) {
  nmm::NodeSnapshot out;
  out.name = name;
  out.state = state;
  out.last_heard_ns = 97 * kSecond_ns;
  return out;
}

MonitorView busy() {
  MonitorView view;
  view.sighting.nmm.emplace();
  view.sighting.nmm->state = "ready";
  view.sighting.nmm->name = "north";
  for (int i = 0; i < 40; ++i) view.sighting.nodes.push_back(listed("node-" + std::to_string(i), "active"));
  view.sighting.nodes.push_back(listed("lost", "silent"));
  view.sighting.nmm_asrs.push_back(relationship("pumps"));
  view.sighting.nmm_asrs.back().phase = "complete";  // an NMM's word
  for (int i = 0; i < 100; ++i) {
    EventRecord event{.name = "event-" + std::to_string(i), .boottime_ns = i * kSecond_ns, .fields = {}};
    view.events.push_back({dbus::Service::nmm, std::move(event)});
  }
  return view;
}

std::string whole(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace

Test(monitor_view, it_fits_each_terminal) {
  const MonitorView view = busy();
  for (std::size_t columns_there = 20; columns_there <= 200; columns_there += 9) {
    for (std::size_t rows = 5; rows <= 60; rows += 5) {
      screen() = {.columns = columns_there, .colour = false};
      const auto lines = picture(view, {.columns = columns_there, .rows = rows});
      cr_assert_leq(lines.size(), rows);
      for (const std::string& line : lines) cr_assert_leq(columns(line), columns_there, "%s", line.c_str());
      const std::string text = whole(lines);
      cr_assert(text.starts_with("1 warning"), "%s", text.c_str());
      cr_assert(text.contains("99.000  nmm"), "the newest event is there at %zux%zu:\n%s", columns_there,
                rows, text.c_str());
    }
  }
}

Test(monitor_view, a_usual_terminal_shows_all_parts) {
  const std::string text = whole(picture(busy(), {.columns = 80, .rows = 24}));
  cr_assert(text.contains("akm-nmmd  ready     north"), "%s", text.c_str());
  cr_assert(text.contains("1 node not heard: lost"), "%s", text.c_str());
  cr_assert(text.contains("NAME") && text.contains("EPOCH") && text.contains("HEARD"));
  cr_assert(text.contains("lost     silent    node              3 s\n"), "who is not well comes first:\n%s",
            text.c_str());
  cr_assert(text.contains("more\n"), "what has no room is counted");
  cr_assert(text.contains("nmm   info      event-99\n"), "%s", text.c_str());
}

Test(monitor_view, a_node_shows_its_relationships) {
  MonitorView view;
  view.sighting.node.emplace();
  view.sighting.node_asrs.push_back(relationship("pumps"));
  AsrSnapshot other = relationship("valves");
  other.chain = "fallback";
  view.sighting.node_asrs.push_back(other);
  const std::string text = whole(picture(view, {.columns = 100, .rows = 24}));
  cr_assert(text.contains("valves  established (fallback)  ASR         3.17  4 s\npumps "), "%s",
            text.c_str());
}

Test(monitor_view, a_lost_bus_and_no_daemon_are_told) {
  MonitorView view;
  view.lost = "unreachable\x1b[2J";
  std::string text = whole(picture(view, {}));
  cr_assert(text.starts_with("No connection, trying again"), "%s", text.c_str());
  cr_assert(text.contains("unreachable?[2J"));
  view.lost.clear();
  text = whole(picture(view, {}));
  cr_assert(text.starts_with("No daemon of AKM is there"), "%s", text.c_str());
}

Test(monitor_view, nothing_that_a_terminal_obeys_comes_through) {
  screen() = {.columns = 80, .colour = false};
  MonitorView view = busy();
  const std::string bad =
      "x\x1b[2J\r\n\xc2\x9b"
      "31m\u202e";
  view.sighting.nmm->name = bad;
  view.sighting.nmm->findings = {bad};
  view.sighting.nodes = {listed(bad, bad)};
  view.sighting.nmm_asrs.front().label = bad;
  view.events.push_back({dbus::Service::nmm, {.name = bad, .fields = {{bad, bad}}}});
  for (const std::string& line : picture(view, {.columns = 80, .rows = 30})) {
    cr_expect(std::ranges::none_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }), "%s",
              line.c_str());
    cr_expect_not(line.contains("\xc2\x9b") || line.contains("\u202e"));
  }
  cr_assert_eq(event_text({dbus::Service::node, {.name = "a\nb", .fields = {}}}).find('\n'),
               std::string::npos);
}

Test(monitor_view, a_relationship_of_an_nmm_that_is_in_doubt_is_not_called_well) {
  MonitorView view = busy();
  view.sighting.nmm_asrs.front().phase = "unconfirmed";
  const std::string text = whole(picture(view, {.columns = 120, .rows = 60}));
  cr_assert(text.contains("unconfirmed"), "%s", text.c_str());
}

Test(monitor_view, colour_is_around_what_was_cut) {
  screen() = {.columns = 20, .colour = true};
  const auto lines = picture(busy(), {.columns = 20, .rows = 5});
  cr_assert(lines.front().starts_with("\x1b[33m1 warning\x1b[0m"), "%s", lines.front().c_str());
}
