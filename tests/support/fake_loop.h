#pragma once
// An io::Loop that does nothing by itself: a test looks at what was asked of it and calls back.
#include <poll.h>

#include <map>
#include <vector>

#include "daemon/io/loop.h"

namespace akm::test {

class FakeLoop final : public io::Loop {
 public:
  [[nodiscard]] io::Backend backend() const override { return backend_is; }
  [[nodiscard]] const std::string& backend_reason() const override { return reason; }
  Result<SocketId> open_udp(const Endpoint& listen, io::DatagramHandler handler) override {
    local = listen;
    datagram = std::move(handler);
    return SocketId{0};
  }
  Status join_group(const Endpoint& /*group*/, const Endpoint& /*local*/,
                    io::DatagramHandler /*handler*/) override {
    return {};
  }
  [[nodiscard]] Endpoint local_endpoint(SocketId /*socket*/) const override { return local; }
  void send(SocketId /*socket*/, const Endpoint& /*to*/, std::span<const std::uint8_t> /*frame*/) override {
    ++sent;
  }
  void send_queued() override { ++pushes; }
  [[nodiscard]] std::size_t room(SocketId /*socket*/) const override { return room_is; }
  Result<WatchId> watch(int fd, std::uint32_t events, io::PollHandler handler) override {
    if (fail_watches) return fail(Errc::limit_exceeded, "test");
    watches[next_watch] = {fd, events, std::move(handler)};
    return next_watch++;
  }
  Status change_watch(WatchId watch, std::uint32_t events) override {
    watches.at(watch).events = events;
    return {};
  }
  void unwatch(WatchId watch) override { watches.erase(watch); }
  void add_deadline(DeadlineSource source, std::function<void()> expired) override {
    deadlines.emplace_back(std::move(source), std::move(expired));
  }
  void at_end_of_turn(std::function<void()> hook) override { hooks.push_back(std::move(hook)); }
  Status run() override { return {}; }
  void stop() override { stopped = true; }
  [[nodiscard]] const Counters& counters() const override { return counted; }

  /// Calls the handlers of all that is ready now, and of deadlines that have passed; false when there was
  /// none.
  bool run_ready() {
    bool ran = false;
    for (std::size_t i = 0; i < deadlines.size(); ++i) {
      const auto due = deadlines[i].first();
      if (!due || *due > boottime_now()) continue;
      deadlines[i].second();
      ran = true;
    }
    std::vector<WatchId> ids;
    for (const auto& [id, watch] : watches) ids.push_back(id);
    for (const WatchId id : ids) {
      const auto watch = watches.find(id);
      if (watch == watches.end()) continue;
      pollfd ready{watch->second.fd, static_cast<short>(watch->second.events), 0};
      if (::poll(&ready, 1, 0) != 1) continue;
      const auto handler = watch->second.handler;  // it may end its own watch
      handler(static_cast<std::uint32_t>(ready.revents));
      ran = true;
    }
    return ran;
  }
  void end_turn() {
    for (const auto& hook : hooks) hook();
  }

  struct Watch {
    int fd = -1;
    std::uint32_t events = 0;
    io::PollHandler handler;
  };
  io::Backend backend_is = io::Backend::epoll;
  std::string reason;
  Endpoint local;
  io::DatagramHandler datagram;
  std::map<WatchId, Watch> watches;
  WatchId next_watch = 1;
  std::vector<std::pair<DeadlineSource, std::function<void()>>> deadlines;
  std::vector<std::function<void()>> hooks;
  bool stopped = false;
  bool fail_watches = false;
  std::size_t sent = 0;
  std::size_t pushes = 0;
  std::size_t room_is = 4096;
  Counters counted;
};

}  // namespace akm::test
