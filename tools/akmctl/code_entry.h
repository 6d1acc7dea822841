#pragma once
// The one-time code and the PIN of a token: typed without echo or read from a file, never in argv; a code is
// shown once.
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "daemon/base/unique_fd.h"

namespace akm::ctl {

/// What is typed, and how else it can be given.
struct Asked {
  std::string_view prompt;
  std::string_view name;
  std::string_view option;
};
inline constexpr Asked kOneTimeCode{"One-time code: ", "the one-time code", "--code-file"};
inline constexpr Asked kRecoverySecret{"Recovery secret: ", "the recovery secret", "--recovery-file"};

/// From `file` ("-" is standard input), or from the terminal when it is empty. As a sealed memfd, white space
/// around it taken off. invalid_argument when it is empty, longer than 256 bytes or there is no terminal to
/// ask at.
Result<UniqueFd> enter_code(const std::string& file, const Asked& what = kOneTimeCode);
/// The PIN of a token, in the same way; only a newline at its end is taken off. 1 to 64 bytes.
Result<UniqueFd> enter_pin(const std::string& file);
/// The text of a memfd with a code; malformed when it is not made of A-Z, a-z, 0-9 and "-".
Result<SecretBuffer> read_code(const UniqueFd& memfd);
/// Writes to standard output past its buffer, so that no copy stays in this process.
/// False: not all of it, nobody reads.
bool show_code(const SecretBuffer& code);

}  // namespace akm::ctl
