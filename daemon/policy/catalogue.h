#pragma once
// What is watched for, as data: one entry for each class of detection, by the rows D1 to D33 of
// docs/detections.md. A row whose evidence weighs differently has more than one class.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "daemon/policy/detection.h"

namespace akm::policy {

struct CatalogueEntry {
  DetectionClass detection{};
  std::string_view row;      // "D1"
  std::string_view name;     // "key-access": on D-Bus, in policies, between node and NMM
  std::string_view attack;   // MITRE ATT&CK v19, separated by ", "
  Grade ceiling{};           // the highest grade that this evidence can have, whatever a configuration says
  bool own_secret = false;   // a refused attempt of root weighs as much as one that succeeded
  std::string_view catches;  // half a sentence
};

inline constexpr CatalogueEntry kCatalogue[] = {
    {DetectionClass::key_access, "D1", "key-access", "T1555, T1552.004", Grade::critical, true,
     "use of a guarded key by another process"},
    {DetectionClass::process_access, "D2", "process-access", "T1055.008, T1003.007, T1055.009",
     Grade::critical, true, "attach to the daemon, its memory or its descriptors"},
    {DetectionClass::state_tampering, "D10", "state-tampering", "T1565.001, T1485", Grade::critical, false,
     "change of the daemon's state folder"},
    {DetectionClass::config_tampering, "D10", "config-tampering", "T1565.001, T1485", Grade::evidence, false,
     "change of the daemon's configuration"},
    {DetectionClass::forged_frames, "D27", "forged-frames", "T1499, T1557", Grade::observe, false,
     "forged or malformed frames"},
    {DetectionClass::cloned_identity, "D28", "cloned-identity", "T1550, T1078", Grade::critical, false,
     "two live senders with one identity"},
    {DetectionClass::stale_incarnation, "D28", "stale-incarnation", "T1550, T1078", Grade::evidence, false,
     "frames of an earlier start of a member"},
    {DetectionClass::sensor_impaired, "D32", "sensor-impaired", "T1685", Grade::evidence, false,
     "loss of sight: records lost, a probe gone or silent"},
    {DetectionClass::attestation_failed, "D22", "attestation-failed", "T1200, T1542", Grade::critical, false,
     "a quote that is not the node's, seen by the NMM"},
    {DetectionClass::process_inspection, "D3", "process-inspection", "T1003.007", Grade::evidence, false,
     "the daemon's files in /proc opened"},
    {DetectionClass::kernel_memory, "D4", "kernel-memory", "T1003, T1014", Grade::critical, false,
     "/dev/mem, /dev/port or /proc/kcore opened"},
    {DetectionClass::module_load, "D5", "module-load", "T1547.006, T1014", Grade::evidence, false,
     "a kernel module loaded"},
    {DetectionClass::bpf_use, "D6", "bpf-use", "T1014, T1685", Grade::evidence, false,
     "BPF programs or maps of others"},
    {DetectionClass::bpf_tampering, "D6", "bpf-tampering", "T1014, T1685", Grade::critical, true,
     "the daemon's own BPF objects used by others"},
    {DetectionClass::sensor_tampering, "D7", "sensor-tampering", "T1685", Grade::critical, false,
     "links detached, pins removed or hidden"},
    {DetectionClass::daemon_signal, "D8", "daemon-signal", "T1489, T1685", Grade::evidence, false,
     "a signal to the daemon from others than the service manager"},
    {DetectionClass::tpm_access, "D9", "tpm-access", "T1555, T1499", Grade::evidence, false,
     "the TPM opened by an unknown program, cleared or locked out"},
    {DetectionClass::hiding_mount, "D11", "hiding-mount", "T1564.013", Grade::evidence, false,
     "a mount that hides the daemon's paths"},
    {DetectionClass::core_dump_redirected, "D12", "core-dump-redirected", "T1003.007", Grade::evidence, false,
     "core dump settings changed"},
    {DetectionClass::hardening_weakened, "D13", "hardening-weakened", "T1685", Grade::evidence, false,
     "a hardening sysctl weakened"},
    {DetectionClass::mac_disabled, "D14", "mac-disabled", "T1685", Grade::evidence, false,
     "SELinux, AppArmor, lockdown or IMA switched off"},
    {DetectionClass::kexec_load, "D15", "kexec-load", "T1542, T1014", Grade::evidence, false,
     "a kernel image loaded for kexec"},
    {DetectionClass::debugger_started, "D16", "debugger-started", "T1003.007", Grade::observe, false,
     "a debugger or memory dumper started"},
    {DetectionClass::fileless_execution, "D17", "fileless-execution", "T1620", Grade::evidence, false,
     "a program without a file executed"},
    {DetectionClass::foreign_code, "D18", "foreign-code", "T1574.006", Grade::critical, false,
     "preload settings, or foreign code mapped into the daemon"},
    {DetectionClass::service_tampering, "D19", "service-tampering", "T1543.002, T1489", Grade::evidence,
     false, "unit, timer, polkit or D-Bus files of the daemon changed"},
    {DetectionClass::io_uring_use, "D20", "io-uring-use", "T1106, T1685", Grade::evidence, false,
     "an io_uring set up by an unexpected process"},
    {DetectionClass::usb_insertion, "D21", "usb-insertion", "T1200, T1091", Grade::evidence, false,
     "a USB storage or input device plugged in"},
    {DetectionClass::hardware_changed, "D22", "hardware-changed", "T1200, T1542", Grade::evidence, false,
     "a source of the hardware value changed"},
    {DetectionClass::identity_changed, "D22", "identity-changed", "T1200, T1542", Grade::critical, false,
     "the TPM's endorsement key changed"},
    {DetectionClass::tpm_interposed, "D23", "tpm-interposed", "T1200", Grade::critical, false,
     "signs of a TPM reset or interposer"},
    {DetectionClass::consumer_key_dump, "D24", "consumer-key-dump", "T1552, T1555", Grade::evidence, false,
     "keys of kernel consumers dumped"},
    {DetectionClass::packet_capture, "D25", "packet-capture", "T1040", Grade::evidence, false,
     "raw or packet sockets, promiscuous mode"},
    {DetectionClass::network_scan, "D26", "network-scan", "T1046", Grade::observe, false, "an inbound scan"},
    {DetectionClass::clock_jump, "D29", "clock-jump", "T1070.006", Grade::observe, false, "the clock set"},
    {DetectionClass::audit_impaired, "D30", "audit-impaired", "T1685.004, T1685.006", Grade::evidence, false,
     "logs or audit impaired"},
    {DetectionClass::privilege_gain, "D31", "privilege-gain", "T1068, T1548", Grade::observe, false,
     "an unexpected capability"},
    {DetectionClass::tamper_input, "D33", "tamper-input", "T1200", Grade::evidence, false,
     "a tamper input: chassis, tilt, GPIO"},
    {DetectionClass::combined_evidence, "combination", "combined-evidence", "T1685, T1200", Grade::critical,
     false, "evidence of several classes that together is a breach"},
};
static_assert(std::size(kCatalogue) == kDetectionClassCount);
static_assert(std::ranges::all_of(kCatalogue, [](const CatalogueEntry& entry) {
  return &entry == &kCatalogue[static_cast<std::size_t>(entry.detection)];
}));

constexpr const CatalogueEntry& entry_of(DetectionClass detection) {
  return kCatalogue[static_cast<std::size_t>(detection)];
}

}  // namespace akm::policy
