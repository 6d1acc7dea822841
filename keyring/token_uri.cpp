#include "keyring/token_uri.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include <algorithm>

namespace akm::keyring {

namespace {

constexpr unsigned kParts = P11_KIT_URI_FOR_OBJECT_ON_TOKEN | P11_KIT_URI_FOR_SLOT;

}  // namespace

Result<TokenUri> TokenUri::parse(const std::string& text) {
  if (!text.starts_with(kTokenUriScheme) || text.size() > kTokenUriBytes ||
      !std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) {
    return fail(Errc::invalid_argument, "a token is named as in RFC 7512: pkcs11:token=NAME");
  }
  TokenUri out(Parsed(p11_kit_uri_new(), p11_kit_uri_free), text);
  if (!out.uri_) return fail(Errc::limit_exceeded, "memory for a token URI");
  const int parsed = p11_kit_uri_parse(text.c_str(), static_cast<P11KitUriType>(kParts), out.uri_.get());
  if (parsed != P11_KIT_URI_OK) {
    return fail(Errc::invalid_argument, "the token URI: " + std::string(p11_kit_uri_message(parsed)));
  }
  p11_kit_uri* const uri = out.uri_.get();
  if (p11_kit_uri_get_pin_value(uri) != nullptr || p11_kit_uri_get_pin_source(uri) != nullptr) {
    return fail(Errc::invalid_argument,
                "a token URI here has no PIN in it: a PIN is typed, or read from a file");
  }
  if (p11_kit_uri_get_module_name(uri) != nullptr || p11_kit_uri_get_module_path(uri) != nullptr) {
    return fail(Errc::invalid_argument,
                "a token URI here names no module: the configuration does (pkcs11.module)");
  }
  if (p11_kit_uri_any_unrecognized(uri) != 0) {
    return fail(Errc::invalid_argument, "the token URI has an attribute that is not known");
  }
  const CK_ATTRIBUTE* label = p11_kit_uri_get_attribute(uri, CKA_LABEL);
  if (label != nullptr && label->pValue != nullptr) {
    out.object_.assign(static_cast<const char*>(label->pValue), label->ulValueLen);
  }
  return out;
}

}  // namespace akm::keyring
