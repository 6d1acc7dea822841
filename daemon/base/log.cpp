#include "daemon/base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <ctime>
#include <mutex>

#include "daemon/base/log_setting.h"
#include "daemon/base/unique_fd.h"

namespace akm::log {
namespace {

constexpr std::size_t kValueBytes = 2048;
constexpr std::size_t kFieldNameBytes = 64;  // the journal's own limit
constexpr std::array<std::string_view, 8> kLevelNames{"EMERGENCY", "ALERT",  "CRITICAL", "ERROR",
                                                      "WARNING",   "NOTICE", "INFO",     "DEBUG"};

struct Sink {
  std::mutex lock;  // the TPM thread may log too
  Options options;
  UniqueFd socket;
  sockaddr_un address{};
  UniqueFd file;
  std::uint64_t dropped = 0;
};

// Never destroyed: destructors of other static objects may log.
Sink& sink() {
  static auto* const instance = new Sink;
  return *instance;
}

std::string_view shortened(std::string_view value) {
  if (value.size() <= kValueBytes) return value;
  std::size_t size = kValueBytes;
  while (size > 0 && (static_cast<unsigned char>(value[size]) & 0xc0) == 0x80)
    --size;  // not amid a UTF-8 character
  return value.substr(0, size);
}

void append_escaped(std::string& out, std::string_view value, bool keep_newlines) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : shortened(value)) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 0x20 && byte != 0x7f) || (c == '\n' && keep_newlines)) {
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else {
      out.append("\\x").push_back(kDigits[byte >> 4]);
      out.push_back(kDigits[byte & 15]);
    }
  }
}

// The journal takes A-Z, 0-9 and _ and refuses names that begin with _ or a digit.
std::string field_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, kFieldNameBytes)) {
    const bool lower = c >= 'a' && c <= 'z';
    const bool good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out.push_back(lower ? static_cast<char>(c - 'a' + 'A') : good ? c : '_');
  }
  if (out.empty() || out.front() < 'A' || out.front() > 'Z') out.insert(0, "F");
  return out;
}

void append_journal_field(std::string& out, std::string_view name, std::string_view value) {
  std::string text;
  append_escaped(text, value, true);
  out.append(name);
  if (text.find('\n') == std::string::npos) {
    out.append("=").append(text).push_back('\n');
    return;
  }
  out.push_back('\n');
  for (std::size_t i = 0; i < 8; ++i)
    out.push_back(static_cast<char>(std::uint64_t{text.size()} >> (8 * i) & 0xff));
  out.append(text).push_back('\n');
}

std::string journal_record(const Options& options, Level level, std::string_view message_id,
                           std::string_view message, std::span<const Field> fields) {
  std::string out;
  append_journal_field(out, "MESSAGE", message);
  append_journal_field(out, "PRIORITY", std::to_string(static_cast<int>(level)));
  append_journal_field(out, "SYSLOG_IDENTIFIER", options.identifier);
  if (!message_id.empty()) append_journal_field(out, "MESSAGE_ID", message_id);
  for (const auto& [name, value] : fields) append_journal_field(out, field_name(name), value);
  return out;
}

void append_text_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(" ").append(name).append("=");
  const bool quoted = value.empty() || value.find_first_of(" \"") != std::string_view::npos;
  std::string text;
  append_escaped(text, value, false);
  if (!quoted) {
    out.append(text);
    return;
  }
  out.push_back('"');
  for (const char c : text) {
    if (c == '"') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

std::string utc_now() {
  timespec now{};
  (void)timespec_get(&now, TIME_UTC);  // for the reader of a line only
  tm parts{};
  (void)gmtime_r(&now.tv_sec, &parts);
  std::array<char, 32> text{};
  const std::size_t size = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string milliseconds = std::to_string(now.tv_nsec / 1'000'000);
  milliseconds.insert(0, 3 - milliseconds.size(), '0');
  return std::string(text.data(), size) + "." + milliseconds + "Z";
}

std::string text_record(bool with_time, Level level, std::string_view message_id, std::string_view message,
                        std::span<const Field> fields) {
  std::string out(kLevelNames[static_cast<std::size_t>(level) & 7]);
  out.push_back(' ');
  append_escaped(out, message, false);
  for (const auto& [name, value] : fields) append_text_field(out, field_name(name), value);
  if (!message_id.empty()) append_text_field(out, "MESSAGE_ID", message_id);
  if (with_time) append_text_field(out, "TIME", utc_now());
  // poll(2) promises room for PIPE_BUF bytes in a pipe, so that a line never blocks.
  if (out.size() > PIPE_BUF - 1) out.resize(PIPE_BUF - 1);
  out.push_back('\n');
  return out;
}

bool emit(Sink& to, Level level, std::string_view message_id, std::string_view message,
          std::span<const Field> fields) {
  if (to.socket) {
    const std::string record = journal_record(to.options, level, message_id, message, fields);
    return sendto(to.socket.get(), record.data(), record.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&to.address), sizeof to.address) >= 0;
  }
  const int fd = to.file ? to.file.get() : STDERR_FILENO;
  const std::string record = text_record(static_cast<bool>(to.file), level, message_id, message, fields);
  pollfd room{.fd = fd, .events = POLLOUT, .revents = 0};
  if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return false;
  return ::write(fd, record.data(), record.size()) == static_cast<ssize_t>(record.size());
}

// No process listens behind the journal's socket in a container or in early boot; only trying tells.
Result<UniqueFd> connect_journal(const std::string& path, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return fail(Errc::config_invalid, "journal socket " + path);
  std::ranges::copy(path, std::begin(address.sun_path));
  UniqueFd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return fail_errno(Errc::io_failed, "socket");
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(Errc::io_failed, "journal socket " + path);
  }
  // Records go by address: a connected socket would not survive a new journald.
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(Errc::io_failed, "socket");
  return socket;
}

}  // namespace

Status open(const Options& options) {
  UniqueFd socket;
  UniqueFd file;
  sockaddr_un address{};
  if (options.target != Options::Target::text) {
    auto connected = connect_journal(options.journal_socket, address);
    if (connected) {
      socket = std::move(*connected);
    } else if (options.target == Options::Target::journal) {
      return std::unexpected(std::move(connected).error());
    }
  }
  if (!socket && !options.file.empty()) {
    file.reset(::open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return fail_errno(Errc::io_failed, options.file);
  }
  Sink& to = sink();
  const std::scoped_lock lock(to.lock);
  to.options = options;
  to.socket = std::move(socket);
  to.address = address;
  to.file = std::move(file);
  return {};
}

void write(Level level, std::string_view message_id, std::string_view message,
           std::span<const Field> fields) {
  Sink& to = sink();
  const std::scoped_lock lock(to.lock);
  if (level > to.options.level) return;
  const int saved_errno = errno;
  if (to.dropped > 0) {
    const Field count{"AKM_DROPPED", std::to_string(to.dropped)};
    if (emit(to, Level::warning, {}, "Log records were dropped: their receiver was too slow", {&count, 1}))
      to.dropped = 0;
  }
  if (!emit(to, level, message_id, message, fields)) ++to.dropped;
  errno = saved_errno;
}

void write(Level level, std::string_view message_id, std::string_view message,
           std::initializer_list<Field> fields) {
  write(level, message_id, message, std::span<const Field>(fields.begin(), fields.size()));
}

Options options() {
  Sink& of = sink();
  const std::scoped_lock lock(of.lock);
  return of.options;
}

bool in_journal() {
  Sink& of = sink();
  const std::scoped_lock lock(of.lock);
  return static_cast<bool>(of.socket);
}

void set_level(Level level) {
  Sink& to = sink();
  const std::scoped_lock lock(to.lock);
  to.options.level = level;
}

bool wants(Level level) {
  Sink& of = sink();
  const std::scoped_lock lock(of.lock);
  return level <= of.options.level;
}

}  // namespace akm::log
