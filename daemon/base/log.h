#pragma once
// The edge logs each failure once, as structured fields (rule 11). Sinks: the journal (native protocol, so
// that MESSAGE_ID and fields survive) or lines of text. Never secrets, never bytes that came from the
// network.
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/base/result.h"

namespace akm::log {

/// syslog(3) severities.
enum class Level : std::uint8_t { emergency, alert, critical, error, warning, notice, info, debug };

/// Journal field names are upper case (AKM_ASR, AKM_GENERATION, ...); values are text.
using Field = std::pair<std::string_view, std::string>;

struct Options {
  enum class Target : std::uint8_t { automatic, journal, text } target = Target::automatic;
  /// Path of the journal's native socket; tests give their own.
  std::string journal_socket = "/run/systemd/journal/socket";
  /// Lines go to standard error when empty.
  std::string file;
  Level level = Level::info;
  std::string identifier = "akm";
};

Status open(const Options& options);
/// `message_id`: 32 hex digits of message_ids.h, or empty.
void write(Level level, std::string_view message_id, std::string_view message,
           std::initializer_list<Field> fields = {});
void write(Level level, std::string_view message_id, std::string_view message, std::span<const Field> fields);

inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::info, {}, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::warning, {}, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::error, {}, message, fields);
}

}  // namespace akm::log
