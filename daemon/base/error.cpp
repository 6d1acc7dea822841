#include "daemon/base/error.h"

#include <array>
#include <cstdio>
#include <cstdlib>

#include "daemon/base/result.h"

namespace akm {
namespace {

struct ErrcText {
  Errc code;
  std::string_view name;
  std::string_view sentence;
};

constexpr std::array<ErrcText, kErrcCount> kTexts{{
    {Errc::invalid_argument, "invalid_argument", "An argument is not valid"},
    {Errc::malformed, "malformed", "The data does not have the required form"},
    {Errc::not_authentic, "not_authentic", "The data failed authentication and was refused"},
    {Errc::truncated, "truncated", "The data ends too early"},
    {Errc::too_large, "too_large", "The data is larger than the limit"},
    {Errc::not_found, "not_found", "There is no such thing"},
    {Errc::already_exists, "already_exists", "It exists already"},
    {Errc::wrong_state, "wrong_state", "This is not possible in the present state"},
    {Errc::not_activated, "not_activated", "The node is not activated; run 'akmctl node activate' on it"},
    {Errc::not_provisioned, "not_provisioned", "There are no provisioning credentials yet"},
    {Errc::already_provisioned, "already_provisioned", "Provisioning credentials are there already"},
    {Errc::stale_generation, "stale_generation", "The generation is older than the one in use"},
    {Errc::hardware_mismatch, "hardware_mismatch",
     "The hardware value is not the one that the credentials are bound to; prepare a bundle for this "
     "machine"},
    {Errc::no_hardware_source, "no_hardware_source",
     "No hardware identity source is available; at least one of those in the policy must be there"},
    {Errc::wrong_code, "wrong_code", "The one-time code does not open this bundle"},
    {Errc::already_consumed, "already_consumed", "This bundle was used before; each opens once"},
    {Errc::bundle_void, "bundle_void", "Too many wrong codes were tried on this bundle; prepare a new one"},
    {Errc::expired, "expired", "It has expired; prepare a new one"},
    {Errc::refused_by_policy, "refused_by_policy", "The policy forbids this"},
    {Errc::not_supported, "not_supported", "This is not supported here"},
    {Errc::not_authorized, "not_authorized",
     "The caller may not do this; it needs uid 0, group 'akm' or a polkit authorisation"},
    {Errc::busy, "busy", "Another operation is in progress; try again"},
    {Errc::timed_out, "timed_out", "There was no answer in time"},
    {Errc::unreachable, "unreachable", "The peer cannot be reached"},
    {Errc::limit_exceeded, "limit_exceeded", "A fixed limit would be exceeded"},
    {Errc::storage_failed, "storage_failed", "State could not be stored; nothing was changed"},
    {Errc::state_corrupt, "state_corrupt",
     "A state file is damaged or was changed; it was kept for inspection"},
    {Errc::disk_full, "disk_full", "The disk is full; free space on it, nothing was changed"},
    {Errc::read_only, "read_only", "The file system is read-only; make it writable, nothing was changed"},
    {Errc::sealed_unavailable, "sealed_unavailable",
     "The storage key could not be unsealed; nothing was deleted, see the log for the cause"},
    {Errc::no_secure_element, "no_secure_element",
     "There is no secure element and the configuration forbids sealing in software"},
    {Errc::tpm_failed, "tpm_failed", "The TPM reported an error"},
    {Errc::keyring_failed, "keyring_failed", "The kernel keyring reported an error"},
    {Errc::quota_exceeded, "quota_exceeded",
     "The kernel key quota is too small; raise kernel.keys.* by sysctl"},
    {Errc::crypto_failed, "crypto_failed", "A cryptographic operation failed"},
    {Errc::io_failed, "io_failed", "Input or output failed"},
    {Errc::config_invalid, "config_invalid", "The configuration is not valid"},
    {Errc::probe_failed, "probe_failed", "A detection probe could not be loaded or attached"},
    {Errc::exhausted, "exhausted", "A counter or key is exhausted; a new generation is needed"},
    {Errc::interrupted, "interrupted", "The operation was interrupted"},
    {Errc::wrong_pin, "wrong_pin", "The PIN does not open the token; it is not tried again by itself"},
    {Errc::token_failed, "token_failed", "The token or its PKCS#11 module reported an error"},
    {Errc::newer_version, "newer_version",
     "It was made by a newer version of this software; upgrade this one first, nothing was changed"},
    {Errc::internal, "internal", "An internal error; please report it"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    if (static_cast<std::size_t>(kTexts[i].code) != i || kTexts[i].name.empty()) return false;
  }
  return true;
}
static_assert(in_order(), "every Errc has its text, in the order of the enum");

const ErrcText& text(Errc code) {
  return kTexts[static_cast<std::size_t>(code)];
}

}  // namespace

std::string_view errc_name(Errc code) {
  return text(code).name;
}

std::string_view errc_sentence(Errc code) {
  return text(code).sentence;
}

std::string errc_dbus_name(Errc code) {
  std::string name = "org.akm.Error.";
  bool upper = true;
  for (const char c : errc_name(code)) {
    if (c == '_') {
      upper = true;
      continue;
    }
    name.push_back(upper ? static_cast<char>(c - 'a' + 'A') : c);
    upper = false;
  }
  return name;
}

std::string Error::message() const {
  std::string out(errc_sentence(code));
  if (!detail.empty()) out.append(": ").append(detail);
  return out;
}

std::unexpected<Error> fail_errno(Errc code, std::string what, int error_number) {
  if (error_number == ENOSPC || error_number == EDQUOT) code = Errc::disk_full;
  if (error_number == EROFS) code = Errc::read_only;
  std::array<char, 128> buffer{};
  // The GNU strerror_r: it may return a static string instead of the buffer.
  what.append(": ").append(strerror_r(error_number, buffer.data(), buffer.size()));
  return fail(code, std::move(what));
}

}  // namespace akm
