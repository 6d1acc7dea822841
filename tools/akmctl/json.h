#pragma once
// Output of --json. Keys are the field names of the snapshots; ids are 16 hex digits, as everywhere.
#include <string>
#include <vector>

#include "dbus/proxy.h"

namespace akm::ctl {

// Each is one line without the newline.
std::string json_of(const node::StatusSnapshot& status);
std::string json_of(const nmm::StatusSnapshot& status);
std::string json_of(const node::ControlPort::HardwareIdentity& identity);
std::string json_of(const std::vector<nmm::DriveSnapshot>& drives);
std::string json_of(const std::vector<nmm::NodeSnapshot>& nodes);
std::string json_of(const AsrSnapshot& asr);
std::string json_of(const std::vector<AsrSnapshot>& asrs);
std::string json_of(dbus::Service service, const EventRecord& event);
/// {"key": "16 hex digits"}
std::string json_id(const char* key, std::uint64_t id);
std::string json_serial(std::int32_t serial);
/// The list "failed" of a zeroize receipt, for a reader; empty where all was erased.
std::string not_erased(const std::string& receipt);
/// The inside of a JSON text.
std::string json_escaped(const std::string& text);

}  // namespace akm::ctl
