#pragma once
// One line on standard error that is rewritten while a call waits for its answer. Nothing where standard
// error is no terminal, with --json or --quiet, or over ssh, where a second connection could ask for a
// password.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/base/instant.h"
#include "tools/akmctl/session.h"

namespace akm::ctl {

/// How far the changes of relationships are that wait for somebody: of `label`, or of all where it is empty.
/// Empty: nothing to tell.
std::string change_progress(const std::vector<AsrSnapshot>& asrs, std::string_view label);
/// How far the provisioning of a node is, by what the NMM lists of it.
std::string node_progress(const std::vector<nmm::NodeSnapshot>& nodes, std::string_view name);
/// As a line of at most `columns`: "asr-1: 3 of 5 members have the new generation (4 s)".
std::string progress_line(const std::string& what, Duration since, std::size_t columns);

class Progress {
 public:
  /// Asks on a connection of its own; what it returns is shown. Empty: nothing.
  using Look = std::function<std::string(dbus::Proxy&)>;
  Progress(const Session& session, Look look);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// The line is gone when this returns.
  ~Progress();

 private:
  void show(const std::string& bus, Duration timeout);
  bool ended_within(Duration most);

  Look look_;
  std::mutex lock_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;  // the call itself blocks
};

/// What `call` returns; the line is shown while it runs.
template <typename Call>
auto with_progress(const Session& session, Progress::Look look, const Call& call) {
  const Progress shown(session, std::move(look));
  return call();
}

/// Of a change of the relationship `label`; of whatever is under way where it is empty.
Progress::Look of_change(std::string label);
Progress::Look of_node(std::string name);

}  // namespace akm::ctl
