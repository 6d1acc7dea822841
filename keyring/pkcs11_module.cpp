#include "keyring/pkcs11_module.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "keyring/pkcs11_error.h"

namespace akm::keyring {
namespace {

// Fields of CK_TOKEN_INFO are padded with blanks, and come from the token: they go into logs and terminals.
std::string clean(std::span<const CK_UTF8CHAR> padded) {
  std::string out;
  for (const CK_UTF8CHAR c : padded) {
    out.push_back(c >= 0x20 && c < 0x7f ? static_cast<char>(c) : (c == 0 ? ' ' : '?'));
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

TokenFacts facts_of(const CK_TOKEN_INFO& info) {
  return {clean(info.label), clean(info.manufacturerID), clean(info.model), clean(info.serialNumber),
          info.flags};
}

std::vector<CK_SLOT_ID> slots_with_tokens(CK_FUNCTION_LIST* functions) {
  std::vector<CK_SLOT_ID> slots(kSlotsMax);
  CK_ULONG count = slots.size();
  if (functions->C_GetSlotList(CK_TRUE, slots.data(), &count) != CKR_OK) return {};
  slots.resize(std::min<std::size_t>(count, kSlotsMax));
  return slots;
}

// Nothing when the URI does not fit, or the slot cannot be asked: such a one is as good as not there.
std::optional<TokenSlot> look_at(CK_FUNCTION_LIST* functions, CK_SLOT_ID slot, const TokenUri& uri) {
  CK_SLOT_INFO slot_info{};
  CK_TOKEN_INFO token_info{};
  if (functions->C_GetSlotInfo(slot, &slot_info) != CKR_OK) return {};
  if (functions->C_GetTokenInfo(slot, &token_info) != CKR_OK) return {};
  if ((token_info.flags & CKF_TOKEN_INITIALIZED) == 0) return {};
  if (p11_kit_uri_match_slot_info(uri.get(), &slot_info) != 1) return {};
  if (p11_kit_uri_match_token_info(uri.get(), &token_info) != 1) return {};
  const CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(uri.get());
  if (wanted != static_cast<CK_SLOT_ID>(-1) && wanted != slot) return {};
  return TokenSlot{functions, slot, facts_of(token_info)};
}

}  // namespace

std::string TokenFacts::text() const {
  return "'" + label + "' (" + manufacturer + " " + model + ", serial " + serial + ")";
}

Result<TokenFacts> token_facts(CK_FUNCTION_LIST* functions, CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  if (const CK_RV answer = functions->C_GetTokenInfo(slot, &info); answer != CKR_OK) {
    return std::unexpected(pkcs11_error(answer, "asking the token"));
  }
  return facts_of(info);
}

Result<std::unique_ptr<Pkcs11Module>> Pkcs11Module::load(const std::string& path) {
  std::unique_ptr<Pkcs11Module> out(new Pkcs11Module);
  if (path.empty()) {
    out->all_ = p11_kit_modules_load_and_initialize(0);
    if (out->all_ == nullptr) {
      return fail(Errc::token_failed, "the modules that are registered with p11-kit cannot be initialised");
    }
    for (std::size_t i = 0; i < kModulesMax && out->all_[i] != nullptr; ++i)
      out->use_.push_back(out->all_[i]);
    return out;
  }
  if (!path.starts_with('/')) return fail(Errc::invalid_argument, "a PKCS#11 module has an absolute path");
  if (::access(path.c_str(), R_OK) != 0) return fail_errno(Errc::not_found, path);
  CK_FUNCTION_LIST* const loaded = p11_kit_module_load(path.c_str(), 0);
  if (loaded == nullptr) return fail(Errc::token_failed, path + " cannot be loaded as a PKCS#11 module");
  if (const CK_RV answer = p11_kit_module_initialize(loaded); answer != CKR_OK) {
    p11_kit_module_release(loaded);
    return std::unexpected(pkcs11_error(answer, path));
  }
  out->one_ = loaded;
  out->use_.push_back(loaded);
  return out;
}

Pkcs11Module::~Pkcs11Module() {
  if (all_ != nullptr) p11_kit_modules_finalize_and_release(all_);
  if (one_ == nullptr) return;
  (void)p11_kit_module_finalize(one_);
  p11_kit_module_release(one_);
}

Result<TokenSlot> Pkcs11Module::find(const TokenUri& uri) const {
  std::vector<TokenSlot> fitting;
  for (CK_FUNCTION_LIST* functions : use_) {
    for (const CK_SLOT_ID slot : slots_with_tokens(functions)) {
      if (auto found = look_at(functions, slot, uri)) fitting.push_back(std::move(*found));
    }
  }
  if (fitting.empty()) return fail(Errc::not_found, "no token fits " + uri.text() + "; is it inserted?");
  if (fitting.size() > 1) {
    return fail(Errc::invalid_argument,
                std::to_string(fitting.size()) + " tokens fit " + uri.text() +
                    "; name one by its serial: pkcs11:serial=" + fitting.front().facts.serial);
  }
  return fitting.front();
}

}  // namespace akm::keyring
