#include "daemon/watch/own_program.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/crypto/digest.h"

namespace akm::watch {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;

std::string number(std::int64_t value) {
  return std::to_string(value);
}

/// Which file it is, and when it last changed: nobody can set the last one.
std::string identity_of(const struct stat& status) {
  return "inode " + std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) + ", " +
         number(status.st_size) + " bytes, changed " + number(status.st_ctim.tv_sec) + "." +
         number(status.st_ctim.tv_nsec);
}

/// Only when the file is another: a program is megabytes long.
std::string digest_of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  crypto::Sha256 digest;
  std::array<std::uint8_t, kPiece> piece{};
  for (std::size_t left = kProgramBytes; left > 0;) {
    const ssize_t length = ::read(file.get(), piece.data(), piece.size());
    if (length < 0) return {};
    if (length == 0) return hex(digest.finish());
    digest.update(std::span(piece).first(static_cast<std::size_t>(length)));
    left -= std::min(left, static_cast<std::size_t>(length));
  }
  return {};
}

}  // namespace

OwnProgram::OwnProgram(std::string path, std::string running)
    : path_(std::move(path)), running_(std::move(running)) {
  const std::size_t name = path_.rfind('/') + 1;
  events_.add(path_.substr(0, name), path_.substr(name));
}

void OwnProgram::look(Instant now, const Tell& tell) {
  Facts facts;
  struct stat status{};
  if (::stat(path_.c_str(), &status) == 0) facts.emplace(path_, identity_of(status));
  for (const Change& change : baseline_.compare(std::move(facts))) {
    policy::Detection detection = seen(policy::DetectionClass::service_tampering, now, change);
    const std::string ours = digest_of(running_);
    const std::string there = digest_of(path_);
    if (!ours.empty()) detection.evidence.emplace("running_sha256", ours);
    if (!there.empty()) detection.evidence.emplace("file_sha256", there);
    // Installed again, or touched.
    if (!ours.empty() && ours == there) detection.at_most = policy::Grade::observe;
    tell(detection);
  }
}

}  // namespace akm::watch
