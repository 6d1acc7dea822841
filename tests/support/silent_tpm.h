#pragma once
// A TPM that takes connections, and never says anything.
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <string>

#include "daemon/base/unique_fd.h"
#include "tests/support/temporary_folder.h"

namespace akm::test {

class SilentTpm {
 public:
  explicit SilentTpm(const TemporaryFolder& folder)
      : path_(folder.file("tpm")), commands_(listening(path_)), control_(listening(path_ + ".ctrl")) {}
  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + path_; }

 private:
  static UniqueFd listening(const std::string& path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::ranges::copy(path, address.sun_path);
    cr_assert_eq(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    cr_assert_eq(::listen(fd.get(), 4), 0);
    return fd;
  }

  std::string path_;
  UniqueFd commands_;
  UniqueFd control_;
};

}  // namespace akm::test
