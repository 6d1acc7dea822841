#pragma once
// A TCTI that misbehaves on order: it stands between ESYS and a real one, and answers chosen commands itself.
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "keyring/tpm_context.h"

namespace akm::test {

/// What is left of a response that is cut short: less than its header.
inline constexpr size_t kCutBytes = 8;

struct TpmFault {
  enum class Kind { respond, transmit_error, receive_error, flip_last_bit, cut_short };
  Kind kind = Kind::respond;
  TSS2_RC response = TPM2_RC_RETRY;  // for respond
};

/// Asked for each command, with its code; nothing lets it pass. Counts in the plan's own state.
using TpmFaultPlan = std::function<std::optional<TpmFault>(TPM2_CC)>;

class FaultyTcti {
 public:
  /// Null when there is no TPM at `tcti`.
  static keyring::TpmContext::Tcti make(const std::string& tcti, TpmFaultPlan plan) {
    auto* self = new FaultyTcti;
    self->plan_ = std::move(plan);
    if (Tss2_TctiLdr_Initialize(tcti.c_str(), &self->inner_) != TSS2_RC_SUCCESS) {
      delete self;
      return {nullptr, [](TSS2_TCTI_CONTEXT*) {}};
    }
    self->common_.v1.magic = 0x414B4D5F54455354;
    self->common_.v1.version = 2;
    self->common_.v1.transmit = transmit;
    self->common_.v1.receive = receive;
    self->common_.v1.finalize = [](TSS2_TCTI_CONTEXT*) {};
    self->common_.v1.cancel = [](TSS2_TCTI_CONTEXT*) -> TSS2_RC { return TSS2_TCTI_RC_NOT_IMPLEMENTED; };
    self->common_.v1.getPollHandles = nullptr;
    self->common_.v1.setLocality = nullptr;
    self->common_.makeSticky = nullptr;
    return {reinterpret_cast<TSS2_TCTI_CONTEXT*>(self), [](TSS2_TCTI_CONTEXT* context) {
              auto* made = reinterpret_cast<FaultyTcti*>(context);
              Tss2_TctiLdr_Finalize(&made->inner_);
              delete made;
            }};
  }

 private:
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, size_t size, const uint8_t* command) {
    auto* self = reinterpret_cast<FaultyTcti*>(context);
    const TPM2_CC code = static_cast<TPM2_CC>(command[6]) << 24 | static_cast<TPM2_CC>(command[7]) << 16 |
                         static_cast<TPM2_CC>(command[8]) << 8 | command[9];
    self->fault_ = self->plan_(code);
    if (self->fault_ && self->fault_->kind == TpmFault::Kind::transmit_error) return TSS2_TCTI_RC_IO_ERROR;
    if (self->fault_ && self->fault_->kind == TpmFault::Kind::respond) return TSS2_RC_SUCCESS;
    return Tss2_Tcti_Transmit(self->inner_, size, command);
  }

  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, size_t* size, uint8_t* response, int32_t timeout) {
    auto* self = reinterpret_cast<FaultyTcti*>(context);
    if (self->fault_ && self->fault_->kind == TpmFault::Kind::respond) {
      const TSS2_RC code = self->fault_->response;
      const uint8_t header[10] = {0x80,
                                  0x01,
                                  0,
                                  0,
                                  0,
                                  10,
                                  static_cast<uint8_t>(code >> 24),
                                  static_cast<uint8_t>(code >> 16),
                                  static_cast<uint8_t>(code >> 8),
                                  static_cast<uint8_t>(code)};
      *size = sizeof header;
      if (response != nullptr) std::memcpy(response, header, sizeof header);
      return TSS2_RC_SUCCESS;
    }
    const TSS2_RC received = Tss2_Tcti_Receive(self->inner_, size, response, timeout);
    if (received != TSS2_RC_SUCCESS || !self->fault_ || response == nullptr) return received;
    switch (self->fault_->kind) {
      case TpmFault::Kind::receive_error:
        return TSS2_TCTI_RC_IO_ERROR;
      case TpmFault::Kind::flip_last_bit:
        response[*size - 1] ^= 1;
        return received;
      case TpmFault::Kind::cut_short:
        if (*size > kCutBytes) std::memset(response + kCutBytes, 0, *size - kCutBytes);
        *size = kCutBytes;
        return received;
      case TpmFault::Kind::respond:
      case TpmFault::Kind::transmit_error:
        break;
    }
    return received;
  }

  TSS2_TCTI_CONTEXT_COMMON_V2 common_{};  // first: ESYS sees only this
  TSS2_TCTI_CONTEXT* inner_ = nullptr;
  TpmFaultPlan plan_;
  std::optional<TpmFault> fault_;
};

/// An opener for TpmSealer whose connections misbehave by the plan.
inline keyring::TpmOpener faulty_opener(std::string tcti, TpmFaultPlan plan) {
  return [tcti = std::move(tcti), plan = std::move(plan)]() -> Result<std::unique_ptr<keyring::TpmContext>> {
    auto made = FaultyTcti::make(tcti, plan);
    if (!made) return fail(Errc::tpm_failed, "no TPM for the test");
    return keyring::TpmContext::attach(std::move(made));
  };
}

}  // namespace akm::test
