#pragma once
// What happened, four ways at once: a journal record, the audit log, the bounded history, and the observer
// (D-Bus signal).
#include <cstddef>
#include <deque>
#include <functional>
#include <string_view>

#include "daemon/base/control_types.h"

namespace akm::service {

class EventLog {
 public:
  explicit EventLog(std::size_t capacity) : capacity_(capacity) {}

  /// Set once at start; called for each event after its journal record is written.
  void set_observer(std::function<void(const EventRecord&)> observer) { observer_ = std::move(observer); }
  /// Set once at start; told of each event after its journal record is written.
  void set_audit(std::function<void(const EventRecord&)> audit) { audit_ = std::move(audit); }
  /// For the audit log alone: what belongs to the timeline of an incident and is no news.
  void note(EventRecord record);
  /// `message_id` of message_ids.h or empty; `sentence` for people. Field names are those of the record, in
  /// the journal upper case with AKM_ before them. A boottime_ns of 0 becomes now.
  void add(EventRecord record, std::string_view message_id, std::string_view sentence, bool signal = true);
  /// Oldest first.
  [[nodiscard]] const std::deque<EventRecord>& history() const { return history_; }

 private:
  std::size_t capacity_;
  std::deque<EventRecord> history_;
  std::function<void(const EventRecord&)> observer_;
  std::function<void(const EventRecord&)> audit_;
};

}  // namespace akm::service
