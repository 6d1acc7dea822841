#pragma once
// A connection to a TPM 2.0 over ESAPI (tpm2-tss): handles that flush themselves, bounded resubmission,
// decoded errors.
#include <tss2/tss2_esys.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/result.h"

namespace akm::keyring {

/// Submissions of one command that the TPM puts off (TPM_RC_RETRY and the like); ESYS itself makes five of
/// each.
inline constexpr int kTpmSubmissionsMax = 8;

/// Frees what ESYS allocated. Secrets in it are to be wiped before.
struct EsysFree {
  void operator()(void* memory) const { Esys_Free(memory); }
};
template <typename T>
using EsysPtr = std::unique_ptr<T, EsysFree>;

/// An object or session inside the TPM. Transient ones are flushed with it, persistent ones and NV indices
/// let go.
class TpmHandle {
 public:
  enum class Kind : std::uint8_t { transient, persistent };
  TpmHandle() = default;
  TpmHandle(ESYS_CONTEXT* esys, ESYS_TR handle, Kind kind) : esys_(esys), handle_(handle), kind_(kind) {}
  TpmHandle(TpmHandle&& other) noexcept { *this = std::move(other); }
  TpmHandle& operator=(TpmHandle&& other) noexcept;
  TpmHandle(const TpmHandle&) = delete;
  TpmHandle& operator=(const TpmHandle&) = delete;
  ~TpmHandle() { reset(); }

  [[nodiscard]] ESYS_TR get() const { return handle_; }
  explicit operator bool() const { return handle_ != ESYS_TR_NONE; }
  void reset();

 private:
  ESYS_CONTEXT* esys_ = nullptr;
  ESYS_TR handle_ = ESYS_TR_NONE;
  Kind kind_ = Kind::transient;
};

/// Read once per connection.
struct TpmProperties {
  std::string manufacturer;  // "IBM", "INTC", ...
  std::string vendor;        // "SW TPM"
  std::string firmware;      // two groups of 8 hexadecimal digits
};

/// True when the response code is `code`, from the TPM itself or from the resource manager, without handle,
/// parameter or session number.
bool is_tpm_code(TSS2_RC response, TSS2_RC code);
/// tpm_failed with "what: decoded text"; where something can be done about it, that is said too (lockout, a
/// TPM that was reset, answers that were changed on their way).
std::unexpected<Error> tpm_error(std::string_view what, TSS2_RC response);

class TpmContext {
 public:
  using Tcti = std::unique_ptr<TSS2_TCTI_CONTEXT, void (*)(TSS2_TCTI_CONTEXT*)>;

  /// `tcti` as for Tss2_TctiLdr_Initialize(3): "device:/dev/tpmrm0", "swtpm:path=...". tpm_failed.
  static Result<std::unique_ptr<TpmContext>> open(const std::string& tcti);
  /// On a TCTI made by the caller: the seam at which tests inject faults.
  static Result<std::unique_ptr<TpmContext>> attach(Tcti tcti);
  ~TpmContext();
  TpmContext(const TpmContext&) = delete;
  TpmContext& operator=(const TpmContext&) = delete;

  [[nodiscard]] ESYS_CONTEXT* esys() const { return esys_; }
  [[nodiscard]] const TpmProperties& properties() const { return properties_; }

  /// Runs one ESYS call, again while the TPM puts it off, kTpmSubmissionsMax times at most with growing
  /// pauses.
  TSS2_RC submit(const std::function<TSS2_RC()>& command);
  /// The same, as a Status; `what` is a literal for the error.
  Status run(std::string_view what, const std::function<TSS2_RC()>& command);
  /// A session salted by `key`, whose parameters are encrypted as `attributes` say (TPMA_SESSION_*; it always
  /// continues). Type TPM2_SE_HMAC, TPM2_SE_POLICY or TPM2_SE_TRIAL.
  Result<TpmHandle> start_session(TPM2_SE type, ESYS_TR key, TPMA_SESSION attributes);
  /// Changes the attributes of a session for the commands that follow.
  Status set_session(ESYS_TR session, TPMA_SESSION attributes);
  /// The public area by which ESYS works with a key, and the name that follows from it. ESYS believes what
  /// the TPM says of a persistent key: who answers in its place could give the name of one key and the public
  /// part of another, and read what a session salted with it hides. tpm_failed when the two do not fit.
  struct KeyFacts {
    std::vector<std::uint8_t> public_area;  // TPMT_PUBLIC
    std::vector<std::uint8_t> name;
  };
  [[nodiscard]] Result<KeyFacts> key_facts(ESYS_TR key) const;
  /// Loads the object or index at a persistent TPM handle; not_found when there is none.
  Result<TpmHandle> find(TPM2_HANDLE handle, std::string_view what);
  /// A primary object of the hierarchy, with empty authorisation.
  Result<TpmHandle> create_primary(ESYS_TR hierarchy, const TPM2B_PUBLIC& public_template,
                                   std::string_view what);

 private:
  TpmContext(Tcti tcti, ESYS_CONTEXT* esys) : tcti_(std::move(tcti)), esys_(esys) {}
  Status read_properties();

  Tcti tcti_;
  ESYS_CONTEXT* esys_;
  TpmProperties properties_;
};

/// How a user of the TPM gets its connection, each time anew: after an I/O error ESYS stays out of sequence
/// for ever, and some TPMs serve one client at a time.
using TpmOpener = std::function<Result<std::unique_ptr<TpmContext>>()>;
TpmOpener tpm_opener(std::string tcti);

}  // namespace akm::keyring
