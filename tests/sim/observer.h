#pragma once
// Who watches a fleet: the invariants, the chart. It sees everything and changes nothing.
#include <cstddef>
#include <optional>
#include <string>

#include "daemon/protocol/engine.h"
#include "tests/sim/wire.h"

namespace akm::sim {

/// What became of a packet at its receiver.
struct Delivery {
  bool accepted = false;                     // window, incarnation and salt were written
  std::optional<protocol::Refusal> refusal;  // an accepted frame may be refused too: authentic, but
};

class Fleet;

class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;
  /// Called once, before anything happens.
  void attach(const Fleet& fleet) { fleet_ = &fleet; }

  virtual void started(std::size_t /*machine*/) {}
  virtual void ended(std::size_t /*machine*/) {}
  virtual void lost(const Packet& /*packet*/) {}
  /// Before the receiver sees it; `delivered` follows when its step is over.
  virtual void arriving(const Packet& /*packet*/) {}
  virtual void delivered(const Packet& /*packet*/, const Delivery& /*delivery*/) {}
  /// An effect that is carried out, in order; `done` is false where the disk or the keyring failed.
  virtual void effect(std::size_t /*machine*/, const protocol::Effect& /*effect*/, bool /*done*/) {}
  /// A control request was taken, and waits for its outcome.
  virtual void asked(std::size_t /*machine*/, protocol::AsrId /*id*/) {}
  virtual void stepped(std::size_t /*machine*/) {}
  /// Something that people want to read in the chart.
  virtual void note(std::size_t /*machine*/, const std::string& /*text*/) {}

 protected:
  [[nodiscard]] const Fleet& watched_fleet() const { return *fleet_; }

 private:
  const Fleet* fleet_ = nullptr;
};

}  // namespace akm::sim
