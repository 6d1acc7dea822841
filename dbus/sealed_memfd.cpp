#include "dbus/sealed_memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace akm::dbus {
namespace {

constexpr int kNeeded = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

Status read_all(int fd, std::span<std::uint8_t> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(Errc::io_failed, "reading a memfd");
    done += static_cast<std::size_t>(n);
  }
  return {};
}

}  // namespace

Result<UniqueFd> make_sealed_memfd(const char* label, std::span<const std::uint8_t> bytes) {
  UniqueFd fd(memfd_create(label, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno(Errc::io_failed, "memfd_create");
  while (!bytes.empty()) {
    const ssize_t n = write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(Errc::io_failed, "writing a memfd");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  if (fcntl(fd.get(), F_ADD_SEALS, kNeeded | F_SEAL_SEAL) < 0)
    return fail_errno(Errc::io_failed, "sealing a memfd");
  return fd;
}

Result<std::size_t> check_sealed_memfd(int fd, std::size_t limit_bytes) {
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0) return fail(Errc::invalid_argument, "the file descriptor is not a memfd");
  if ((seals & kNeeded) != kNeeded) return fail(Errc::invalid_argument, "the memfd is not sealed");
  struct stat status{};
  if (fstat(fd, &status) < 0) return fail_errno(Errc::io_failed, "fstat of a memfd");
  if (status.st_size <= 0) return fail(Errc::invalid_argument, "the memfd is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > limit_bytes)
    return fail(Errc::too_large, "the memfd has more than " + std::to_string(limit_bytes) + " bytes");
  return size;
}

Result<SecretBuffer> read_sealed_memfd(int fd, std::size_t limit_bytes) {
  AKM_ASSIGN(const std::size_t size, check_sealed_memfd(fd, limit_bytes));
  SecretBuffer out(size);
  AKM_TRY(read_all(fd, out.reveal_mutable()));
  return out;
}

Result<std::vector<std::uint8_t>> read_public_memfd(int fd, std::size_t limit_bytes) {
  AKM_ASSIGN(const std::size_t size, check_sealed_memfd(fd, limit_bytes));
  std::vector<std::uint8_t> out(size);
  AKM_TRY(read_all(fd, out));
  return out;
}

}  // namespace akm::dbus
