#include "daemon/watch/system_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>

#include "daemon/base/unique_fd.h"

namespace akm::watch {
namespace {

constexpr std::size_t kValueBytes = 4096;
constexpr std::size_t kChunk = 16 * 1024;

std::unexpected<Error> unread(const std::string& path) {
  switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO:
      return fail_errno(Errc::not_found, path);
    case EACCES:
    case EPERM:
      return fail_errno(Errc::not_authorized, path);
    default:
      return fail_errno(Errc::io_failed, path);
  }
}

}  // namespace

Result<std::string> read_system_file(const std::string& path, std::size_t most) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return unread(path);
  std::string out;
  std::array<char, kChunk> chunk{};
  while (out.size() < most) {
    const ssize_t got = ::read(fd.get(), chunk.data(), std::min(chunk.size(), most - out.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unread(path);
    if (got == 0) break;
    out.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return out;
}

Result<std::string> read_system_value(const std::string& path) {
  AKM_ASSIGN(const std::string text, read_system_file(path, kValueBytes));
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return fail(Errc::not_found, path);
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<std::string> read_link(const std::string& path) {
  std::array<char, PATH_MAX> target{};
  const ssize_t got = ::readlink(path.c_str(), target.data(), target.size());
  if (got < 0) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(got));
}

}  // namespace akm::watch
