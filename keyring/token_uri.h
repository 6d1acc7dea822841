#pragma once
// Which token: an RFC 7512 URI ("pkcs11:token=NAME;serial=..."), by p11-kit.
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

struct p11_kit_uri;

namespace akm::keyring {

inline constexpr std::size_t kTokenUriBytes = 1024;
inline constexpr std::string_view kTokenUriScheme = "pkcs11:";

class TokenUri {
 public:
  /// invalid_argument: not a URI of this scheme, with something in it that p11-kit does not know, with a PIN
  /// (pin-value and pin-source: a PIN comes by a file or a memfd), or with a module (module-path and
  /// module-name: which code is loaded is the configuration's to say, not a caller's).
  static Result<TokenUri> parse(const std::string& text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// "object=..." of the URI; empty where there is none.
  [[nodiscard]] const std::string& object() const { return object_; }
  /// For p11-kit's matching; lives as long as this.
  [[nodiscard]] p11_kit_uri* get() const { return uri_.get(); }

 private:
  using Parsed = std::unique_ptr<p11_kit_uri, void (*)(p11_kit_uri*)>;
  TokenUri(Parsed uri, std::string text) : uri_(std::move(uri)), text_(std::move(text)) {}

  Parsed uri_;
  std::string text_;
  std::string object_;
};

}  // namespace akm::keyring
