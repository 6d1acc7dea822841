#pragma once
// The NMM's part of section 6, without its daemon: generations are drawn, installed, switched and retired in
// control messages, again and again until they have arrived. What it knows survives its crashes; what is on
// its way does not.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "daemon/policy/adjudication.h"
#include "daemon/protocol/control_body.h"
#include "tests/sim/domain.h"
#include "tests/sim/fleet.h"

namespace akm::sim {

class Manager {
 public:
  Manager(Fleet& fleet, const Setting& setting, std::uint64_t seed);

  /// The first generation, by hand on both sides: how a history begins.
  void create(std::uint32_t members);

  // What an operator does. Each returns false when it makes no sense now.
  bool add(std::size_t machine);
  bool remove(std::size_t machine);
  /// `stays`: it does not obey and remains on the network. Without hurry the others switch, and receive under
  /// the old generation for the grace time.
  bool evict(std::size_t machine, bool stays, bool at_once = true);
  /// The machine lives twice: sooner or later it is put out, so that two others must remain.
  void expect_eviction(std::size_t machine) { doomed_ = machine; }
  bool renew(bool at_once);
  void rotate(std::size_t machine);

  void report(protocol::Effect& effect);
  void restarted();

  /// Every generation has arrived and nobody is left to retire.
  [[nodiscard]] bool settled() const;
  [[nodiscard]] std::uint32_t generation() const { return description_.generation; }
  /// Machines of the present generation, by rising index.
  [[nodiscard]] std::vector<std::size_t> members() const;
  [[nodiscard]] bool is_member(std::size_t machine) const { return index_of_.contains(machine); }
  /// Told of each generation as it is made: its number, its members, whether the old one is erased at once.
  std::function<void(std::uint32_t, const std::set<std::size_t>&, bool)> on_generation;

 private:
  enum class What : std::uint8_t { install = 1, switch_over, retire, quarantine, rotate };
  enum class Progress : std::uint8_t { to_install, installed, done };
  struct Task {
    Progress progress = Progress::to_install;
    bool waits = false;  // for an answer
    Instant again;       // not before
  };
  struct Leaving {
    What how{};
    bool waits = false;
    Instant again;
  };

  [[nodiscard]] bool may_go(std::size_t machine) const;
  void next_generation(bool at_once);
  void describe_roster();
  void pump();
  void pump_later(Duration after);
  void send(std::size_t machine, What what, protocol::Method method, std::vector<std::uint8_t> body,
            SecretBuffer secret_body = {});
  void send_install(std::size_t machine);
  void answered(std::uint64_t cookie, std::optional<protocol::ControlStatus> status);
  void answered_task(std::size_t machine, What what, std::optional<protocol::ControlStatus> status);
  void executed(const protocol::RequestReceived& request);
  void breach(const protocol::RequestReceived& request);

  Fleet& fleet_;
  const Setting& setting_;
  Dice dice_;
  protocol::AsrDescription description_;
  std::optional<protocol::Asr> credentials_;  // until all have them
  std::map<std::size_t, std::uint16_t> index_of_;
  std::map<std::size_t, Task> tasks_;
  std::map<std::size_t, Leaving> leaving_;
  std::set<std::size_t> gone_;  // never a member again
  std::optional<std::size_t> doomed_;
  bool at_once_ = false;
  std::uint32_t retire_ = 0;
  Instant install_until_;
  Instant resync_from_;
  policy::ActionHistory history_;
};

}  // namespace akm::sim
