#include "keyring/tpm_context.h"

#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>
#include <ctime>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "daemon/base/cursor.h"
#include "daemon/crypto/digest.h"
#include "keyring/tpm_clock.h"

namespace akm::keyring {
namespace {

// Pause before the second submission; it doubles, so that eight submissions take at most 1.3 s.
constexpr long kFirstPauseMs = 10;
// Layer of the response code; the kernel's resource manager passes the TPM's codes on under a layer of its
// own.
constexpr TSS2_RC kLayerMask = 0xFFFF0000;

bool is_put_off(TSS2_RC response) {
  return is_tpm_code(response, TPM2_RC_RETRY) || is_tpm_code(response, TPM2_RC_YIELDED) ||
         is_tpm_code(response, TPM2_RC_TESTING) || is_tpm_code(response, TPM2_RC_NV_RATE) ||
         is_tpm_code(response, TPM2_RC_NV_UNAVAILABLE) ||
         // Others have its memory for the moment.
         is_tpm_code(response, TPM2_RC_MEMORY) || is_tpm_code(response, TPM2_RC_OBJECT_MEMORY) ||
         is_tpm_code(response, TPM2_RC_SESSION_MEMORY);
}

void pause_ms(long milliseconds) {
  timespec left{milliseconds / 1000, (milliseconds % 1000) * 1'000'000};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

// What ends the condition, where somebody can end it.
std::string_view remedy(TSS2_RC response) {
  if (is_tpm_code(response, TPM2_RC_LOCKOUT)) {
    return "; the TPM is in dictionary-attack lockout, caused by another user of it: wait for its recovery "
           "time or run 'tpm2_dictionarylockout --clear-lockout'";
  }
  if (is_tpm_code(response, TPM2_RC_INITIALIZE)) {
    return "; the TPM was reset and nobody has started it since: restart the machine";
  }
  if (is_tpm_code(response, TPM2_RC_FAILURE)) {
    return "; the TPM is in failure mode: switch the machine off and on";
  }
  if (response == TSS2_ESYS_RC_RSP_AUTH_FAILED || response == TSS2_ESYS_RC_MALFORMED_RESPONSE) {
    return "; the answer was changed on its way from the TPM, or the TPM was reset in between: if this comes "
           "again, look at what is connected between the TPM and the processor";
  }
  return {};
}

// FlushContext past ESYS, which does nothing more after an answer that it could not read. On the same
// connection, so that the number means the same object; where nothing answers there is nothing to flush.
void flush_beneath(ESYS_CONTEXT* esys, ESYS_TR object) {
  TPM2_HANDLE number = 0;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  if (Esys_TR_GetTpmHandle(esys, object, &number) != TSS2_RC_SUCCESS) return;
  if (Esys_GetTcti(esys, &tcti) != TSS2_RC_SUCCESS || tcti == nullptr) return;
  std::array<std::uint8_t, 14> command;
  Writer writer(command);
  writer.u16(TPM2_ST_NO_SESSIONS);
  writer.u32(command.size());
  writer.u32(TPM2_CC_FlushContext);
  writer.u32(number);
  if (Tss2_Tcti_Transmit(tcti, command.size(), command.data()) != TSS2_RC_SUCCESS) return;
  std::array<std::uint8_t, TPM2_MAX_RESPONSE_SIZE> response;
  std::size_t size = response.size();
  (void)Tss2_Tcti_Receive(tcti, &size, response.data(), TSS2_TCTI_TIMEOUT_BLOCK);
}

void quieten_library() {
  // The library writes errors to standard error by itself; ours are logged once, at the edge. Before threads:
  // the first connection is made at start.
  static std::once_flag once;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): before threads, as said
  std::call_once(once, [] { (void)::setenv("TSS2_LOG", "all+NONE", 0); });
}

// Four characters of a property, as in TPM_PT_MANUFACTURER; ends at the first NUL, keeps printable ASCII
// only.
void append_characters(std::string& text, UINT32 value) {
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto character = static_cast<char>((value >> shift) & 0xFF);
    if (character == '\0') return;
    if (character >= ' ' && character <= '~') text.push_back(character);
  }
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

TpmHandle& TpmHandle::operator=(TpmHandle&& other) noexcept {
  if (this == &other) return *this;
  reset();
  esys_ = std::exchange(other.esys_, nullptr);
  handle_ = std::exchange(other.handle_, ESYS_TR_NONE);
  kind_ = other.kind_;
  return *this;
}

void TpmHandle::reset() {
  if (handle_ == ESYS_TR_NONE) return;
  // Best effort: on a dead connection the resource manager, or the end of the connection, flushes it.
  if (kind_ == Kind::transient) {
    if (Esys_FlushContext(esys_, handle_) == TSS2_RC_SUCCESS) {
      handle_ = ESYS_TR_NONE;
      return;
    }
    flush_beneath(esys_, handle_);
  }
  (void)Esys_TR_Close(esys_, &handle_);
  handle_ = ESYS_TR_NONE;
}

bool is_tpm_code(TSS2_RC response, TSS2_RC code) {
  const TSS2_RC layer = response & kLayerMask;
  if (layer != TSS2_TPM_RC_LAYER && layer != TSS2_RESMGR_TPM_RC_LAYER) return false;
  TSS2_RC bare = response & ~kLayerMask;
  // Format one (bit 7) carries the number of the handle, parameter or session in bits 8 to 11, and bit 6
  // (part 2, 6.6.2).
  if ((bare & TPM2_RC_FMT1) != 0) bare &= ~TSS2_RC{0xF40};
  return bare == code;
}

std::unexpected<Error> tpm_error(std::string_view what, TSS2_RC response) {
  std::string detail(what);
  char code[16];
  (void)std::snprintf(code, sizeof code, " (0x%08x)", response);
  detail.append(": ").append(Tss2_RC_Decode(response)).append(code);
  detail.append(remedy(response));
  return fail(Errc::tpm_failed, std::move(detail));
}

Result<std::unique_ptr<TpmContext>> TpmContext::open(const std::string& tcti) {
  quieten_library();
  TSS2_TCTI_CONTEXT* context = nullptr;
  const TSS2_RC response = Tss2_TctiLdr_Initialize(tcti.c_str(), &context);
  if (response != TSS2_RC_SUCCESS) return tpm_error("no TPM at " + tcti, response);
  return attach(Tcti(context, [](TSS2_TCTI_CONTEXT* loaded) { Tss2_TctiLdr_Finalize(&loaded); }));
}

Result<std::unique_ptr<TpmContext>> TpmContext::attach(Tcti tcti) {
  quieten_library();
  ESYS_CONTEXT* esys = nullptr;
  const TSS2_RC response = Esys_Initialize(&esys, tcti.get(), nullptr);
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_Initialize", response);
  std::unique_ptr<TpmContext> context(new TpmContext(std::move(tcti), esys));
  AKM_TRY(context->read_properties());
  return context;
}

TpmContext::~TpmContext() {
  Esys_Finalize(&esys_);
}

Status TpmContext::read_properties() {
  TPMS_CAPABILITY_DATA* raw = nullptr;
  AKM_TRY(run("Esys_GetCapability", [&] {
    TPMI_YES_NO more = 0;
    return Esys_GetCapability(esys_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES,
                              TPM2_PT_MANUFACTURER, 8, &more, &raw);
  }));
  const EsysPtr<TPMS_CAPABILITY_DATA> data(raw);
  const TPML_TAGGED_TPM_PROPERTY& list = data->data.tpmProperties;
  UINT32 firmware[2] = {0, 0};
  for (UINT32 i = 0; i < list.count && i < TPM2_MAX_TPM_PROPERTIES; ++i) {
    const auto [property, value] = list.tpmProperty[i];
    if (property == TPM2_PT_MANUFACTURER) append_characters(properties_.manufacturer, value);
    if (property >= TPM2_PT_VENDOR_STRING_1 && property <= TPM2_PT_VENDOR_STRING_4) {
      append_characters(properties_.vendor, value);
    }
    if (property == TPM2_PT_FIRMWARE_VERSION_1) firmware[0] = value;
    if (property == TPM2_PT_FIRMWARE_VERSION_2) firmware[1] = value;
  }
  char text[24];
  (void)std::snprintf(text, sizeof text, "%08x.%08x", firmware[0], firmware[1]);
  properties_.firmware = text;
  properties_.manufacturer = trimmed(properties_.manufacturer);
  properties_.vendor = trimmed(properties_.vendor);
  return {};
}

TSS2_RC TpmContext::submit(const std::function<TSS2_RC()>& command) {
  long pause = kFirstPauseMs;
  for (int submission = 1;; ++submission) {
    const TSS2_RC response = command();
    count_session_failure(response);
    if (!is_put_off(response) || submission == kTpmSubmissionsMax) return response;
    pause_ms(pause);
    pause *= 2;
  }
}

Status TpmContext::run(std::string_view what, const std::function<TSS2_RC()>& command) {
  const TSS2_RC response = submit(command);
  if (response != TSS2_RC_SUCCESS) return tpm_error(what, response);
  return {};
}

Result<TpmHandle> TpmContext::start_session(TPM2_SE type, ESYS_TR key, TPMA_SESSION attributes) {
  TPMT_SYM_DEF symmetric{};
  symmetric.algorithm = TPM2_ALG_AES;
  symmetric.keyBits.aes = 128;
  symmetric.mode.aes = TPM2_ALG_CFB;
  ESYS_TR session = ESYS_TR_NONE;
  AKM_TRY(run("Esys_StartAuthSession", [&] {
    return Esys_StartAuthSession(esys_, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, nullptr,
                                 type, &symmetric, TPM2_ALG_SHA256, &session);
  }));
  TpmHandle handle(esys_, session, TpmHandle::Kind::transient);
  AKM_TRY(set_session(session, attributes));
  return handle;
}

Status TpmContext::set_session(ESYS_TR session, TPMA_SESSION attributes) {
  attributes |= TPMA_SESSION_CONTINUESESSION;
  const TSS2_RC response = Esys_TRSess_SetAttributes(esys_, session, attributes, 0xFF);
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_TRSess_SetAttributes", response);
  return {};
}

Result<TpmContext::KeyFacts> TpmContext::key_facts(ESYS_TR key) const {
  std::uint8_t* raw = nullptr;
  std::size_t size = 0;
  // The only way to ESYS's own copy: handle, name, kind, TPM2B_PUBLIC. The form is one for keeping on a disk.
  const TSS2_RC response = Esys_TR_Serialize(esys_, key, &raw, &size);
  if (response != TSS2_RC_SUCCESS) return tpm_error("Esys_TR_Serialize", response);
  const EsysPtr<std::uint8_t> owned(raw);
  Reader reader(std::span<const std::uint8_t>(raw, size));
  (void)reader.u32();
  const auto claimed = reader.bytes(reader.u16());
  (void)reader.u32();
  const auto area = reader.bytes(reader.u16());
  if (!reader.done() || area.size() < 4) return fail(Errc::tpm_failed, "the form of a key of ESYS");
  // Part 1, 16: nameAlg || digest of the public area.
  const auto name_alg = static_cast<std::uint16_t>(area[2] << 8 | area[3]);
  KeyFacts out;
  out.public_area.assign(area.begin(), area.end());
  out.name = {area[2], area[3]};
  const auto digest = crypto::sha256({area});
  out.name.insert(out.name.end(), digest.begin(), digest.end());
  if (name_alg != TPM2_ALG_SHA256 || !std::ranges::equal(out.name, claimed)) {
    return fail(
        Errc::tpm_failed,
        "the key that the TPM shows does not have the name that it gives: its answers are changed on "
        "their way (look at what is connected between the TPM and the processor), or it is defective");
  }
  return out;
}

Result<TpmHandle> TpmContext::find(TPM2_HANDLE handle, std::string_view what) {
  ESYS_TR object = ESYS_TR_NONE;
  const TSS2_RC response = submit([&] {
    return Esys_TR_FromTPMPublic(esys_, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &object);
  });
  // Objects and indices say differently that they are not there.
  if (is_tpm_code(response, TPM2_RC_HANDLE) || is_tpm_code(response, TPM2_RC_VALUE)) {
    return fail(Errc::not_found, std::string(what));
  }
  if (response != TSS2_RC_SUCCESS) return tpm_error(what, response);
  return TpmHandle(esys_, object, TpmHandle::Kind::persistent);
}

Result<TpmHandle> TpmContext::create_primary(ESYS_TR hierarchy, const TPM2B_PUBLIC& public_template,
                                             std::string_view what) {
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION no_pcrs{};
  ESYS_TR object = ESYS_TR_NONE;
  AKM_TRY(run(what, [&] {
    return Esys_CreatePrimary(esys_, hierarchy, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive,
                              &public_template, &outside, &no_pcrs, &object, nullptr, nullptr, nullptr,
                              nullptr);
  }));
  return TpmHandle(esys_, object, TpmHandle::Kind::transient);
}

TpmOpener tpm_opener(std::string tcti) {
  return [tcti = std::move(tcti)] { return TpmContext::open(tcti); };
}

}  // namespace akm::keyring
