#pragma once
// What akmctl monitor shows: events as lines, and all of it as one picture of the terminal's size.
#include <cstddef>
#include <deque>
#include <string>
#include <vector>

#include "tools/akmctl/sighting.h"

namespace akm::ctl {

struct SeenEvent {
  dbus::Service service{};
  EventRecord event;
};

/// "      12.345  node  warning   name  asr=...  key=value", without anything that a terminal would obey.
std::string event_text(const SeenEvent& seen);

struct MonitorView {
  std::string place;  // "on the bus 'system'"
  std::string lost;   // why there is no connection; empty: there is one
  Sighting sighting;
  std::deque<SeenEvent> events;  // the newest last
};

struct Size {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

/// At most `rows` lines of at most `columns` columns: how all is, the daemons, what is wrong, nodes and
/// relationships, the last events. What has no room is counted.
std::vector<std::string> picture(const MonitorView& view, Size size);

}  // namespace akm::ctl
