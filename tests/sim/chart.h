#pragma once
// A history as a message sequence chart in text: a column for each machine, time downwards, an arrow where a
// frame arrives (or is lost: x), and what a machine did where it did it.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/sim/observer.h"
#include "tests/sim/plan.h"

namespace akm::sim {

class Chart final : public Observer {
 public:
  explicit Chart(const Setting& setting) : setting_(setting) {}

  /// The last `most` lines under a head that names the columns.
  [[nodiscard]] std::string text(std::size_t most) const;

  void started(std::size_t machine) override { mark(machine, "starts"); }
  void ended(std::size_t machine) override { mark(machine, "crashes"); }
  void lost(const Packet& packet) override { arrow(packet, 'x', {}); }
  void arriving(const Packet& packet) override;
  void delivered(const Packet& packet, const Delivery& delivery) override;
  void effect(std::size_t machine, const protocol::Effect& effect, bool done) override;
  void note(std::size_t machine, const std::string& text) override { mark(machine, text); }

 private:
  void mark(std::size_t machine, const std::string& text);
  void arrow(const Packet& packet, char end, const std::string& text);
  [[nodiscard]] std::string label(const std::vector<std::uint8_t>& bytes) const;
  [[nodiscard]] std::string describe_frame(std::size_t sender, const std::vector<std::uint8_t>& bytes) const;
  [[nodiscard]] std::string lifelines() const;
  void line(const std::string& lines, const std::string& text);

  const Setting& setting_;
  std::map<std::vector<std::uint8_t>, std::string> labels_;  // by frame, made while its sender has the key
  std::vector<std::string> lines_;
  std::size_t arrow_ = 0;  // line of the packet that is being received
};

}  // namespace akm::sim
