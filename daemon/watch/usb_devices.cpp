#include "daemon/watch/usb_devices.h"

#include <utility>

#include "daemon/watch/baseline.h"

namespace akm::watch {
namespace {

constexpr std::size_t kDevicesMax = 256;
constexpr std::size_t kWaitingMax = 256;

/// By the class of the interface (USB-IF class codes 08 and 03); empty for others.
std::string_view kind_of(std::string_view interface) {
  if (interface.starts_with("8/")) return "storage";
  if (interface.starts_with("3/")) return "input";
  return {};
}

}  // namespace

void UsbDevices::take(const DeviceEvent& event) {
  const bool comes = event.action == "add";
  if (!comes && event.action != "remove") return;
  if (kind_of(event.interface).empty() && !plugged_.contains(event.path)) return;
  if (waiting_.size() < kWaitingMax) waiting_.push_back(event);
}

bool UsbDevices::nudged() {
  return events_->drain([this](const DeviceEvent& event) { take(event); });
}

void UsbDevices::look(Instant now, const Tell& tell) {
  const std::vector<DeviceEvent> events = std::exchange(waiting_, {});
  for (const DeviceEvent& event : events) {
    const bool comes = event.action == "add";
    if (comes && (plugged_.size() >= kDevicesMax || !plugged_.insert(event.path).second)) continue;
    if (!comes && plugged_.erase(event.path) == 0) continue;
    const std::string name = "USB " + std::string(kind_of(event.interface)) + " " + event.product;
    const std::string at = "at " + event.path;
    const std::string absent(kAbsent);
    policy::Detection detection = seen(policy::DetectionClass::usb_insertion, now,
                                       {name, comes ? absent : at, comes ? at : absent, !comes});
    if (comes && expected_ && expected_()) {
      detection.at_most = policy::Grade::observe;
      detection.evidence.emplace("expected", "the machine is being provisioned");
    }
    tell(detection);
  }
}

}  // namespace akm::watch
