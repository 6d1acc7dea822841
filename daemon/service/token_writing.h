#pragma once
// (b) of section 7, at an NMM and at a Root: credentials written to a PKCS#11 token. The token is looked at
// first, so that a wrong PIN uses up no serial; both are done aside.
#include <string>

#include "daemon/base/unique_fd.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/bundle_maker.h"
#include "keyring/token_vault.h"

namespace akm::service {

struct WrittenToken {
  std::uint64_t id = 0;  // that the credentials are for
  std::string token;     // which one it is on, for people
  bool sealed = false;   // with a key on the token; else the PIN alone keeps it
};

/// `name`: whose bundle it is. `pin`: a sealed memfd. `make` is called on the loop when the token is free.
/// busy when many wait; errors of the vault and of `make`.
void write_token(const RunAside& run_aside, keyring::TokenPlace place, const UniqueFd& pin,
                 const std::string& name, MakeBundle make, Reply<WrittenToken> reply);

}  // namespace akm::service
