#include "keyring/token_pin.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "daemon/base/atomic_file.h"
#include "keyring/pkcs11_token.h"

namespace akm::keyring {

Result<SecretBuffer> parse_pin(SecretBuffer typed) {
  if (!typed.empty() && typed.reveal().back() == '\n') typed.shrink(typed.size() - 1);
  if (typed.empty() || typed.size() > kPinBytes ||
      std::ranges::find(typed.reveal(), 0) != typed.reveal().end()) {
    return fail(Errc::invalid_argument, "a PIN has 1 to 64 bytes");
  }
  return typed;
}

Result<SecretBuffer> read_pin(const std::string& path) {
  std::string file = path;
  if (file.empty()) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the daemons changes the environment once threads run
    const char* folder = ::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr) {
      return fail(Errc::sealed_unavailable,
                  "there is no PIN: set sealing.pin_file, or LoadCredential=token-pin:... in the unit");
    }
    file = std::string(folder) + "/" + kPinCredential;
  }
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    return fail(Errc::wrong_pin, file + " can be read by others; chmod 600 it and set another PIN");
  }
  auto typed = read_secret_file(file, kPinBytes + 1);
  if (!typed && typed.error().code == Errc::too_large)
    return fail(Errc::wrong_pin, file + ": a PIN has 1 to 64 bytes");
  if (!typed) return fail(Errc::sealed_unavailable, "the PIN: " + typed.error().message());
  auto pin = parse_pin(std::move(*typed));
  if (!pin) return fail(Errc::wrong_pin, file + ": " + pin.error().detail);
  return pin;
}

}  // namespace akm::keyring
