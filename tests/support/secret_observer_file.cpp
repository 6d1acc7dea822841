// Records each secret of a test run in the file named by AKM_SECRET_LOG, so that the leak test can search for
// it. Bytes go from their place to write(2): the observer leaves no copy in the process that is searched.
#include <fcntl.h>
#include <sys/uio.h>

#include <cstdint>
#include <cstdlib>

#include "daemon/crypto/secret_observer.h"

namespace akm::crypto {

void observe_secret(std::string_view what, std::span<const std::uint8_t> secret) {
  static const int fd = [] {
    const char* path = std::getenv("AKM_SECRET_LOG");
    return path == nullptr ? -1 : ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }();
  if (fd < 0) return;
  // One record: label length, secret length (both u32, host order), label, secret. O_APPEND keeps records
  // whole.
  std::uint32_t sizes[2] = {static_cast<std::uint32_t>(what.size()),
                            static_cast<std::uint32_t>(secret.size())};
  const iovec parts[3] = {{sizes, sizeof sizes},
                          {const_cast<char*>(what.data()), what.size()},
                          {const_cast<std::uint8_t*>(secret.data()), secret.size()}};
  if (::writev(fd, parts, 3) < 0) std::abort();
}

}  // namespace akm::crypto
