#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "tools/akmctl/commands.h"
#include "tools/akmctl/full_screen.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/monitor_view.h"

namespace akm::ctl {
namespace {

constexpr std::size_t kEventsKept = 200;  // more than any terminal shows
constexpr double kPatience_s = 5;         // a daemon that hangs is not to freeze the picture for a minute
// How old what is shown may be; sooner after an event, but not once for each of many.
constexpr Duration kLookEach = std::chrono::seconds(2);
constexpr Duration kLookSoon = std::chrono::milliseconds(250);
constexpr Duration kTryAgain = std::chrono::seconds(1);

struct Asked {
  std::uint64_t count = 0;  // 0: no end
  bool lines = false;
};

Status by_lines(Session& session, std::uint64_t count) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.connect());
  // Whoever reads a pipe gets each event when it happens.
  (void)std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::uint64_t seen = 0;
  return proxy->follow(
      // Also with --json: whoever does something to see what comes of it waits for this line.
      [] { fmt::print(stderr, "Following events; end with Ctrl-C. Times are seconds since boot.\n"); },
      [&](dbus::Service service, const EventRecord& event) {
        say(session, event_text({service, event}), json_of(service, event));
        ++seen;
        return (count == 0 || seen < count) && std::ferror(stdout) == 0;
      });
}

class Live {
 public:
  explicit Live(Session& session) : session_(session) { view_.place = session.place(); }

  /// Until somebody quits. An error only where there is no way back: another machine's bus is not dialled
  /// again, since ssh may ask for a password.
  Status run() {
    while (true) {
      const Status ended = follow();
      if (quit_) return {};
      if (!session_.options.host.empty() && !ended) return ended;
      session_.disconnect();
      view_.lost = ended ? "the connection was closed" : ended.error().message();
      view_.sighting = {};
      if (!show_until({.fd = -1, .events = 0, .revents = 0}, boottime_now() + kTryAgain)) return {};
    }
  }

 private:
  Status follow() {
    AKM_ASSIGN(dbus::Proxy* const proxy, session_.connect());
    view_.lost.clear();
    look_at_ = Instant{0};
    return proxy->follow(
        [] {}, [this](dbus::Service service, const EventRecord& event) { return seen(service, event); },
        [this](const pollfd& bus) { return turn(bus); });
  }
  bool seen(dbus::Service service, const EventRecord& event) {
    view_.events.push_back({service, event});
    if (view_.events.size() > kEventsKept) view_.events.pop_front();
    look_at_ = std::min(look_at_, looked_at_ + kLookSoon);
    return true;
  }
  bool turn(const pollfd& bus) {
    if (boottime_now() < look_at_) return show_until(bus, look_at_);
    if (auto found = look_around(session_)) view_.sighting = std::move(*found);
    looked_at_ = boottime_now();
    look_at_ = looked_at_ + kLookEach;
    return true;  // the calls may have left messages that the descriptor does not tell of
  }
  /// One wait; with no bus, all of them until then. False: somebody quits.
  bool show_until(const pollfd& bus, Instant until) {
    do {
      terminal_.draw(picture(view_, FullScreen::size()));
      const Duration most = std::max(until - boottime_now(), Duration{0});
      quit_ = terminal_.wait(bus, most) == FullScreen::Input::quit;
    } while (!quit_ && bus.fd < 0 && boottime_now() < until);
    return !quit_;
  }

  Session& session_;
  MonitorView view_;
  FullScreen terminal_;
  Instant looked_at_{0};
  Instant look_at_{0};
  bool quit_ = false;
};

Status monitor(Session& session, const Asked& asked) {
  if (asked.lines || asked.count != 0 || session.options.json || !FullScreen::possible())
    return by_lines(session, asked.count);
  session.options.timeout_s = std::min(session.options.timeout_s, kPatience_s);
  AKM_TRY(session.connect());  // before the screen is taken: where there is no bus at all, that is an error
  return Live(session).run();
}

}  // namespace

void add_monitor_command(CLI::App& app, Session& session) {
  const auto asked = std::make_shared<Asked>();
  CLI::App* sub = app.add_subcommand("monitor", "Nodes, relationships and events of this bus, live; q quits");
  sub->add_option("--count", asked->count, "End after so many events (--lines)");
  sub->add_flag("--lines", asked->lines, "One line for each event, as where the output is no terminal");
  sub->callback(
      [&session, asked] { session.command = [&session, asked] { return monitor(session, *asked); }; });
}

}  // namespace akm::ctl
