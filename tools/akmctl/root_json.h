#pragma once
// Output of 'akmctl root ... --json'; as json.h.
#include <string>
#include <vector>

#include "dbus/root_proxy.h"
#include "tools/akmctl/json.h"

namespace akm::ctl {

std::string json_of(const root::StatusSnapshot& status);
std::string json_of(const std::vector<root::NmmSnapshot>& nmms);
std::string json_of(const store::ConfigRecord& record);
std::string json_of(const std::vector<store::ConfigRecord>& records);
std::string json_of(const std::vector<store::Change>& changes);
std::string json_of(const std::vector<store::FieldDifference>& differences);
std::string json_of(const std::vector<store::ReportRow>& rows);
std::string json_of(const std::vector<store::IncidentRow>& rows);

}  // namespace akm::ctl
