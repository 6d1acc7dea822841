#pragma once
// A token of its own for a test: SoftHSM2 in this process, its objects in a temporary folder.
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "daemon/base/secret.h"
#include "keyring/pkcs11_token.h"
#include "tests/support/run_program.h"
#include "tests/support/temporary_folder.h"

namespace akm::test {

inline constexpr const char* kSoftHsm = "/usr/lib/softhsm/libsofthsm2.so";
inline constexpr const char* kNoSoftHsm = "SoftHSM2 is not installed";
inline bool have_softhsm() {
  return ::access(kSoftHsm, R_OK) == 0 && have_program("softhsm2-util");
}

inline SecretBuffer secret_of(std::string_view text) {
  return SecretBuffer::copy_of({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

class SoftHsm {
 public:
  SoftHsm() {
    std::filesystem::create_directories(folder.file("tokens"));
    const std::string config =
        folder.write("softhsm2.conf", "directories.tokendir = " + folder.file("tokens") +
                                          "\nobjectstore.backend = file\nlog.level = ERROR\n");
    ::setenv("SOFTHSM2_CONF", config.c_str(), 1);
    add_token("one");
  }
  void add_token(const std::string& label) const {
    const auto made = run_program(
        {"softhsm2-util", "--init-token", "--free", "--label", label, "--pin", "1234", "--so-pin", "567890"});
    if (made.exit_code != 0) std::abort();
  }
  /// Away, as if pulled out, and back.
  void pull_out() const {
    std::filesystem::rename(folder.file("tokens"), folder.file("away"));
    put_empty();
  }
  void put_back() const {
    std::filesystem::remove_all(folder.file("tokens"));
    std::filesystem::rename(folder.file("away"), folder.file("tokens"));
  }
  /// All that is on the token, to be restored later: the attack of who can copy it.
  void save(const std::string& name) const {
    std::filesystem::remove_all(folder.file(name));
    std::filesystem::copy(folder.file("tokens"), folder.file(name), std::filesystem::copy_options::recursive);
  }
  void restore(const std::string& name) const {
    std::filesystem::remove_all(folder.file("tokens"));
    std::filesystem::copy(folder.file(name), folder.file("tokens"), std::filesystem::copy_options::recursive);
  }
  [[nodiscard]] std::string pin_file(const std::string& text) const {
    const std::string path = folder.write("pin", text + "\n");
    std::filesystem::permissions(path,
                                 std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }

  TemporaryFolder folder;
  keyring::TokenPlace place{kSoftHsm, "pkcs11:token=one"};
  SecretBuffer pin = secret_of("1234");

 private:
  void put_empty() const { std::filesystem::create_directories(folder.file("tokens")); }
};

}  // namespace akm::test
