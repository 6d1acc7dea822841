#pragma once
// The one-time code: typed without echo or read from a file, never in argv; shown once.
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/secret.h"
#include "daemon/base/unique_fd.h"

namespace akm::ctl {

/// A one-time code or another secret that is typed, `what` for the prompt. From `file` ("-" is standard
/// input), or from the terminal when it is empty. As a sealed memfd, white space around it taken off.
/// invalid_argument when it is empty, longer than 256 bytes or there is no terminal to ask at.
Result<UniqueFd> enter_code(const std::string& file, const std::string& what = "one-time code");
/// The text of a memfd with a code; malformed when it is not made of A-Z, a-z, 0-9 and "-".
Result<SecretBuffer> read_code(const UniqueFd& memfd);
/// Writes to standard output past its buffer, so that no copy stays in this process.
void show_code(const SecretBuffer& code);

}  // namespace akm::ctl
