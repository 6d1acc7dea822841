#pragma once
// PKCS#11 modules by p11-kit: loaded and initialised as long as this lives. A module is somebody else's code
// in this process: it may block and it may answer anything. Not for the loop thread.
#include <p11-kit/pkcs11.h>

#include <memory>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "keyring/token_uri.h"

namespace akm::keyring {

/// Slots of one module, and modules, that are looked at.
inline constexpr std::size_t kSlotsMax = 64;
inline constexpr std::size_t kModulesMax = 32;

/// What a token says of itself; text without the padding and without what cannot be printed.
struct TokenFacts {
  std::string label, manufacturer, model, serial;
  CK_FLAGS flags = 0;
  /// "'LABEL' (MANUFACTURER MODEL, serial N)".
  [[nodiscard]] std::string text() const;
};

struct TokenSlot {
  CK_FUNCTION_LIST* functions = nullptr;
  CK_SLOT_ID slot = 0;
  TokenFacts facts;
};

class Pkcs11Module {
 public:
  /// The module at `path`; empty: those that are registered with p11-kit. not_found, token_failed.
  static Result<std::unique_ptr<Pkcs11Module>> load(const std::string& path);
  ~Pkcs11Module();
  Pkcs11Module(const Pkcs11Module&) = delete;
  Pkcs11Module& operator=(const Pkcs11Module&) = delete;

  /// The one token that the URI fits. not_found when there is none, invalid_argument when there are several.
  Result<TokenSlot> find(const TokenUri& uri) const;

 private:
  Pkcs11Module() = default;
  CK_FUNCTION_LIST* one_ = nullptr;     // by path
  CK_FUNCTION_LIST** all_ = nullptr;    // registered
  std::vector<CK_FUNCTION_LIST*> use_;  // of either
};

/// Asks the token again.
Result<TokenFacts> token_facts(CK_FUNCTION_LIST* functions, CK_SLOT_ID slot);

}  // namespace akm::keyring
