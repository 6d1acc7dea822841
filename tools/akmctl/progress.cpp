#include "tools/akmctl/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "tools/akmctl/screen.h"
#include "tools/akmctl/table.h"
#include "tools/akmctl/visible.h"

namespace akm::ctl {
namespace {

// What is done sooner needs no word about it.
constexpr Duration kFirst = std::chrono::milliseconds(700);
constexpr Duration kEach = std::chrono::milliseconds(500);
constexpr Duration kPatience = std::chrono::seconds(5);
constexpr const char* kWiped = "\r\x1b[K";

bool wanted(const Session& session) {
  return isatty(STDERR_FILENO) != 0 && !session.options.json && !session.options.quiet &&
         session.options.host.empty();
}

}  // namespace

std::string change_progress(const std::vector<AsrSnapshot>& asrs, std::string_view label) {
  std::size_t members = 0;
  std::size_t waiting = 0;
  std::size_t changing = 0;
  for (const AsrSnapshot& one : asrs) {
    if ((!label.empty() && one.label != label) || one.stragglers.empty()) continue;
    ++changing;
    waiting += one.stragglers.size();
    // Who leaves is waited for too, and is no member any more.
    const auto leaves = [&](const StragglerSnapshot& who) {
      return std::ranges::find(one.members, who.node_id, &MemberSnapshot::node_id) == one.members.end();
    };
    members += one.members.size() + static_cast<std::size_t>(std::ranges::count_if(one.stragglers, leaves));
  }
  if (changing == 0) return {};
  const std::string of = changing == 1 ? "" : fmt::format(" of {} relationships", changing);
  return fmt::format("{} of {} members{} have answered", members - waiting, members, of);
}

std::string node_progress(const std::vector<nmm::NodeSnapshot>& nodes, std::string_view name) {
  const auto at = std::ranges::find(nodes, name, &nmm::NodeSnapshot::name);
  if (at == nodes.end()) return "its credentials are being made";
  return at->state == "prepared" ? "its credentials are made, waiting for the node" : at->state;
}

std::string progress_line(const std::string& what, Duration since, std::size_t columns) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since).count();
  const std::string line = fmt::format("{} ({} s)", visible(what), seconds);
  // Not into the last column, where some terminals begin a new line.
  return std::string(first_columns(line, columns == 0 ? line.size() : columns - 1));
}

Progress::Progress(const Session& session, Look look) : look_(std::move(look)) {
  if (!wanted(session)) return;
  const auto most =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(session.options.timeout_s));
  thread_ = std::thread([this, bus = session.options.bus, most] { show(bus, std::min(most, kPatience)); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::scoped_lock lock(lock_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool Progress::ended_within(Duration most) {
  std::unique_lock lock(lock_);
  return changed_.wait_for(lock, most, [this] { return ended_; });
}

void Progress::show(const std::string& bus, Duration timeout) {
  const Instant began = boottime_now();
  if (ended_within(kFirst)) return;
  auto proxy = dbus::Proxy::connect(bus, timeout);
  if (!proxy) return;
  bool shown = false;
  do {
    const std::string what = look_(*proxy);
    if (what.empty()) continue;
    fmt::print(stderr, "{}{}", kWiped,
               progress_line(what, boottime_now() - began, screen_of(STDERR_FILENO).columns));
    (void)std::fflush(stderr);
    shown = true;
  } while (!ended_within(kEach));
  if (shown) fmt::print(stderr, "{}", kWiped);
}

Progress::Look of_change(std::string label) {
  return [label = std::move(label)](dbus::Proxy& proxy) -> std::string {
    const auto asrs = proxy.asrs(dbus::Service::nmm);
    if (!asrs) return {};
    const std::string how_far = change_progress(*asrs, label);
    return label.empty() || how_far.empty() ? how_far : label + ": " + how_far;
  };
}

Progress::Look of_node(std::string name) {
  return [name = std::move(name)](dbus::Proxy& proxy) -> std::string {
    const auto nodes = proxy.nodes();
    return nodes ? name + ": " + node_progress(*nodes, name) : std::string();
  };
}

}  // namespace akm::ctl
