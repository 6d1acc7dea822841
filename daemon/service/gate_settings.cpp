#include "daemon/service/gate_settings.h"

#include <string>

#include "bpf/include/akm_gate.h"

namespace akm::service {
namespace {

bpf::GateMode mode_of(const std::string& text) {
  if (text == "xdp") return bpf::GateMode::xdp;
  if (text == "generic-xdp") return bpf::GateMode::xdp_generic;
  if (text == "tc") return bpf::GateMode::tc;
  return bpf::GateMode::automatic;
}

}  // namespace

void add_gate_settings(Schema& schema, std::int64_t ids_max) {
  const GateSettings standard;
  const auto number = [&schema](const char* name, std::int64_t value, const char* doc, std::int64_t most) {
    schema.push_back(
        {.name = name, .standard = value, .doc = doc, .minimum = 1, .maximum = most, .choices = {}});
  };
  schema.push_back({.name = "gate.enabled",
                    .standard = true,
                    .doc = "Drop what cannot be a frame for this daemon at the network interface, with BPF.",
                    .choices = {}});
  schema.push_back({.name = "gate.mode",
                    .standard = std::string("auto"),
                    .doc = "Where it hangs: auto tries XDP in the driver, a classifier, generic XDP.",
                    .choices = {"auto", "xdp", "generic-xdp", "tc"}});
  number("gate.ids_max", ids_max,
         "Relationships that the gate can know; with more of them it lets every asr_id pass.",
         AKM_GATE_MAX_IDS);
  number("gate.source_per_s", standard.source_per_s,
         "Frames a second of one address that has not authenticated.", 1'000'000);
  number("gate.total_per_s", standard.total_per_s, "Frames a second of all such addresses together.",
         10'000'000);
}

GateSettings gate_settings(const Config& config) {
  GateSettings out;
  out.enabled = config.boolean("gate.enabled");
  out.mode = mode_of(config.text("gate.mode"));
  out.ids_max = static_cast<std::uint32_t>(config.integer("gate.ids_max"));
  out.source_per_s = static_cast<std::uint32_t>(config.integer("gate.source_per_s"));
  out.total_per_s = static_cast<std::uint32_t>(config.integer("gate.total_per_s"));
  return out;
}

}  // namespace akm::service
