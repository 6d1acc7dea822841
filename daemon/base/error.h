#pragma once
// The closed list of what can go wrong, with one sentence and one D-Bus name each (rule 9).
#include <cstdint>
#include <string>
#include <string_view>

namespace akm {

enum class Errc : std::uint8_t {
  invalid_argument,
  malformed,
  not_authentic,
  truncated,
  too_large,
  not_found,
  already_exists,
  wrong_state,
  not_activated,
  not_provisioned,
  already_provisioned,
  stale_generation,
  hardware_mismatch,
  no_hardware_source,
  wrong_code,
  already_consumed,
  bundle_void,
  expired,
  refused_by_policy,
  not_supported,
  not_authorized,
  busy,
  timed_out,
  unreachable,
  limit_exceeded,
  storage_failed,
  state_corrupt,
  disk_full,
  read_only,
  sealed_unavailable,
  no_secure_element,
  tpm_failed,
  keyring_failed,
  quota_exceeded,
  crypto_failed,
  io_failed,
  config_invalid,
  probe_failed,
  exhausted,
  interrupted,
  wrong_pin,
  token_failed,
  newer_version,
  internal,
};
inline constexpr std::size_t kErrcCount = static_cast<std::size_t>(Errc::internal) + 1;

/// Identifier as in the source ("hardware_mismatch"); never empty.
std::string_view errc_name(Errc code);
/// One plain sentence for people: what is wrong, and where it helps what to do.
std::string_view errc_sentence(Errc code);
/// D-Bus error name: "org.akm.Error." and the identifier in CamelCase ("org.akm.Error.HardwareMismatch").
std::string errc_dbus_name(Errc code);

/// What failed. `detail` names the thing concerned (a path, a key name, an errno text); it never holds a
/// secret and never bytes that came from the network.
struct Error {
  Errc code = Errc::internal;
  std::string detail;

  /// "sentence: detail", for people.
  [[nodiscard]] std::string message() const;
};

}  // namespace akm
