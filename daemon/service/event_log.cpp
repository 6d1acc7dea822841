#include "daemon/service/event_log.h"

#include <algorithm>
#include <vector>

#include "daemon/base/hex.h"
#include "daemon/base/instant.h"
#include "daemon/base/log.h"

namespace akm::service {
namespace {

/// Journal field names: upper case letters, digits and underscores.
std::string field_name(std::string_view name) {
  std::string out = "AKM_";
  for (const char c : name) {
    if (c >= 'a' && c <= 'z') {
      out.push_back(static_cast<char>(c - 'a' + 'A'));
    } else {
      out.push_back((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_');
    }
  }
  return out;
}

}  // namespace

void EventLog::add(EventRecord record, std::string_view message_id, std::string_view sentence, bool signal) {
  if (record.boottime_ns == 0) record.boottime_ns = boottime_now().ns;
  record.severity = std::min<std::uint8_t>(record.severity, 7);
  std::vector<std::string> names{"AKM_EVENT", "AKM_BOOTTIME_NS", "AKM_ASR"};
  for (const auto& [name, value] : record.fields) names.push_back(field_name(name));
  std::vector<log::Field> fields{{names[0], record.name}, {names[1], std::to_string(record.boottime_ns)}};
  if (record.asr_id != 0) fields.emplace_back(names[2], hex_id(record.asr_id));
  std::size_t next = 3;
  for (const auto& [name, value] : record.fields) fields.emplace_back(names[next++], value);
  log::write(static_cast<log::Level>(record.severity), message_id, sentence,
             std::span<const log::Field>(fields));
  if (audit_) audit_(record);
  if (capacity_ == 0) return;
  while (history_.size() >= capacity_) history_.pop_front();
  history_.push_back(std::move(record));
  if (signal && observer_) observer_(history_.back());
}

void EventLog::note(EventRecord record) {
  if (record.boottime_ns == 0) record.boottime_ns = boottime_now().ns;
  if (audit_) audit_(record);
}

}  // namespace akm::service
