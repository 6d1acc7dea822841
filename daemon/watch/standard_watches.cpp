#include "daemon/watch/standard_watches.h"

#include <utility>

#include "daemon/base/wall_time.h"
#include "daemon/watch/audit_state.h"
#include "daemon/watch/hardware_state.h"
#include "daemon/watch/hiding_mounts.h"
#include "daemon/watch/interfaces.h"
#include "daemon/watch/kernel_settings.h"
#include "daemon/watch/mac_state.h"
#include "daemon/watch/network_counters.h"
#include "daemon/watch/own_code.h"
#include "daemon/watch/own_program.h"
#include "daemon/watch/packet_sockets.h"
#include "daemon/watch/service_files.h"
#include "daemon/watch/tamper_inputs.h"
#include "daemon/watch/tpm_state.h"
#include "daemon/watch/usb_devices.h"
#include "daemon/watch/wall_clock.h"
#include "keyring/sealer.h"
#include "keyring/tpm_attestor.h"

namespace akm::watch {
namespace {

using policy::DetectionClass;

constexpr Duration kEachLook{0};

/// Some watches see more than one class: what is switched off is dropped here.
Tell wanted(const WatchSettings& settings, Tell tell) {
  return [settings, tell = std::move(tell)](const policy::Detection& detection) {
    if (settings.looks_for(detection.detection)) tell(detection);
  };
}

}  // namespace

StandardWatches::StandardWatches(const WatchSettings& settings, Own own, store::SealedStore* store,
                                 io::Loop& loop, std::function<Instant()> now, Tell tell)
    : memory_(store),
      watches_(loop, std::chrono::seconds(settings.interval_s), std::move(now),
               wanted(settings, std::move(tell))) {
  if (!settings.enabled) return;
  add_system(settings, own);
  add_devices(settings, own);
  add_network(settings, own);
  add_aside(settings, own);
  loop.add_deadline([this] { return watches_.next_deadline(); }, [this] { watches_.deadline_reached(); });
}

void StandardWatches::add_system(const WatchSettings& settings, const Own& own) {
  if (settings.looks_for(DetectionClass::hardening_weakened) ||
      settings.looks_for(DetectionClass::core_dump_redirected))
    watches_.add(std::make_unique<KernelSettings>());
  if (settings.looks_for(DetectionClass::mac_disabled)) watches_.add(std::make_unique<MacState>());
  if (settings.looks_for(DetectionClass::hiding_mount) ||
      settings.looks_for(DetectionClass::sensor_tampering))
    watches_.add(std::make_unique<HidingMounts>(own.paths, own.pin_folder));
  if (settings.looks_for(DetectionClass::foreign_code))
    watches_.add(std::make_unique<OwnCode>(settings.library_folders));
  if (settings.looks_for(DetectionClass::service_tampering)) {
    watches_.add(std::make_unique<ServiceFiles>());
    if (!own.program.empty()) watches_.add(std::make_unique<OwnProgram>(own.program));
  }
  if (settings.looks_for(DetectionClass::clock_jump))
    watches_.add(std::make_unique<WallClock>(std::chrono::milliseconds(settings.clock_jump_ms),
                                             [] { return wall_time_ns() - boottime_now().ns; }));
  if (own.tiers && settings.looks_for(DetectionClass::sensor_impaired))
    watches_.add(std::make_unique<Coverage>(own.tiers, memory_));
}

void StandardWatches::add_devices(const WatchSettings& settings, const Own& own) {
  if (settings.looks_for(DetectionClass::tamper_input))
    watches_.add(std::make_unique<TamperInputs>(settings.tamper_inputs));
  if (!settings.looks_for(DetectionClass::usb_insertion)) return;
  auto events = DeviceEvents::open(DeviceEvents::Source::kernel, {{"usb", "usb_interface"}});
  if (events) watches_.add(std::make_unique<UsbDevices>(std::move(*events), own.provisioning));
}

void StandardWatches::add_network(const WatchSettings& settings, const Own& own) {
  if (settings.looks_for(DetectionClass::packet_capture))
    watches_.add(std::make_unique<Interfaces>(own.run_aside));
  if (settings.looks_for(DetectionClass::network_scan))
    watches_.add(std::make_unique<NetworkCounters>(settings.scan_rate));
}

void StandardWatches::add_aside(const WatchSettings& settings, const Own& own) {
  const auto add = [&](Duration every, Collect collect, Judge judge,
                       std::unique_ptr<DeviceEvents> nudges = nullptr) {
    watches_.add(std::make_unique<AsideWatch>(own.run_aside, every, std::move(collect), std::move(judge),
                                              std::move(nudges)));
  };
  if (settings.looks_for(DetectionClass::packet_capture)) {
    const PacketSockets sockets;
    add(kEachLook, sockets.collect(), sockets.judge());
  }
  if (settings.looks_for(DetectionClass::audit_impaired))
    add(kEachLook, [] { return audit_facts(); }, judge_audit);
  if (own.hardware && (settings.looks_for(DetectionClass::hardware_changed) ||
                       settings.looks_for(DetectionClass::identity_changed))) {
    const auto collect = [hardware = own.hardware]() -> Result<Facts> {
      AKM_ASSIGN(const keyring::HardwareSources sources, hardware());
      return hardware_facts(sources);
    };
    // Not of all network and block devices: containers make and remove those all day.
    auto devices = DeviceEvents::open(DeviceEvents::Source::kernel,
                                      {{"pci", nullptr}, {"scsi", nullptr}, {"tpm", nullptr}});
    add(std::chrono::seconds(settings.hardware_interval_s), collect, judge_hardware(memory_),
        devices ? std::move(*devices) : nullptr);
  }
  const bool asks_tpm =
      settings.looks_for(DetectionClass::tpm_access) || settings.looks_for(DetectionClass::tpm_interposed);
  if (!asks_tpm || !keyring::tpm_is_expected(own.tcti)) return;
  const auto opener = keyring::tpm_opener(own.tcti.empty() ? keyring::kDefaultTcti : own.tcti);
  const auto collect = [opener]() -> Result<Facts> {
    AKM_ASSIGN(const auto tpm, opener());
    AKM_ASSIGN(const keyring::TpmClock clock, keyring::read_tpm_clock(*tpm));
    return tpm_facts(clock, keyring::tpm_session_failures(), this_boot());
  };
  add(std::chrono::seconds(settings.tpm_interval_s), collect, judge_tpm(memory_));
}

}  // namespace akm::watch
