#include "daemon/watch/mount_table.h"

#include <charconv>
#include <utility>

namespace akm::watch {
namespace {

/// Space, tab, newline and backslash stand as \040 and the like.
std::string unescaped(std::string_view text) {
  const auto octal = [](char one) { return one >= '0' && one <= '7'; };
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      out += static_cast<char>(((text[i + 1] - '0') * 64) + ((text[i + 2] - '0') * 8) + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view next_field(std::string_view& rest) {
  const std::size_t end = rest.find(' ');
  const std::string_view out = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return out;
}

// proc_pid_mountinfo(5): id, parent, device, root, point, options, optional fields, "-", kind, source, ...
std::optional<Mount> parse_line(std::string_view line) {
  Mount out;
  const std::string_view id = next_field(line);
  if (std::from_chars(id.data(), id.data() + id.size(), out.id).ec != std::errc{}) return std::nullopt;
  next_field(line);
  next_field(line);
  out.root = unescaped(next_field(line));
  out.point = unescaped(next_field(line));
  if (!out.point.starts_with('/')) return std::nullopt;
  while (!line.empty()) {
    if (next_field(line) != "-") continue;
    out.kind = unescaped(next_field(line));
    out.source = unescaped(next_field(line));
    return out;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Mount> parse_mount_table(std::string_view text) {
  std::vector<Mount> out;
  while (!text.empty() && out.size() < kMountsMax) {
    const std::size_t end = text.find('\n');
    if (auto one = parse_line(text.substr(0, end))) out.push_back(std::move(*one));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

const Mount* mount_of(const std::vector<Mount>& mounts, std::string_view path) {
  const Mount* best = nullptr;
  for (const Mount& one : mounts) {
    const std::string_view point = one.point;
    const bool above = point == "/" || (path.starts_with(point) &&
                                        (path.size() == point.size() || path[point.size()] == '/'));
    // The longest one, and of equals the last, which lies on top.
    if (above && (best == nullptr || point.size() >= best->point.size())) best = &one;
  }
  return best;
}

}  // namespace akm::watch
