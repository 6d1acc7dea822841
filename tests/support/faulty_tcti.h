#pragma once
// A TCTI that misbehaves on order: it stands between ESYS and a real one, and answers chosen commands itself.
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "keyring/tpm_context.h"

namespace akm::test {

/// What is left of a response that is cut short: less than its header.
inline constexpr size_t kCutBytes = 8;

struct TpmFault {
  enum class Kind { respond, transmit_error, receive_error, flip_last_bit, cut_short, flip_octet, delay };
  Kind kind = Kind::respond;
  TSS2_RC response = TPM2_RC_RETRY;  // for respond
  size_t octet = 0;                  // for flip_octet; counted around the end of the response
  unsigned delay_us = 1000;          // for delay
};

/// What a connection leaves in the TPM. Its end flushes that, as the kernel's resource manager does.
struct TpmTraffic {
  int commands = 0;
  int left_behind = 0;
  TPM2_CC last_fault = 0;
};

/// Asked for each command, with its code; nothing lets it pass. Counts in the plan's own state.
using TpmFaultPlan = std::function<std::optional<TpmFault>(TPM2_CC)>;

class FaultyTcti {
 public:
  /// Null when there is no TPM at `tcti`.
  static keyring::TpmContext::Tcti make(const std::string& tcti, TpmFaultPlan plan,
                                        TpmTraffic* traffic = nullptr) {
    auto* self = new FaultyTcti;
    self->plan_ = std::move(plan);
    self->traffic_ = traffic;
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
              made->flush_rest();
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
    self->code_ = code;
    self->target_ = size >= 14 ? number(command + 10) : 0;
    if (self->traffic_ != nullptr) {
      ++self->traffic_->commands;
      if (self->fault_) self->traffic_->last_fault = code;
    }
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
    if (received == TSS2_RC_SUCCESS && response != nullptr) self->note(*size, response);
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
      case TpmFault::Kind::flip_octet:
        response[self->fault_->octet % *size] ^= 0x10;
        return received;
      case TpmFault::Kind::delay:
        ::usleep(self->fault_->delay_us);
        return received;
      case TpmFault::Kind::respond:
      case TpmFault::Kind::transmit_error:
        break;
    }
    return received;
  }

  static uint32_t number(const uint8_t* at) {
    return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
           static_cast<uint32_t>(at[2]) << 8 | at[3];
  }
  void note(size_t size, const uint8_t* response) {
    if (size < 10 || number(response + 6) != 0) return;
    if (code_ == TPM2_CC_FlushContext) held_.erase(target_);
    const bool makes = code_ == TPM2_CC_StartAuthSession || code_ == TPM2_CC_CreatePrimary ||
                       code_ == TPM2_CC_Load || code_ == TPM2_CC_LoadExternal;
    if (makes && size >= 14) held_.insert(number(response + 10));
  }
  void flush_rest() {
    if (traffic_ != nullptr) traffic_->left_behind += static_cast<int>(held_.size());
    for (const uint32_t handle : held_) {
      const uint8_t command[14] = {0x80,
                                   0x01,
                                   0,
                                   0,
                                   0,
                                   14,
                                   0,
                                   0,
                                   0x01,
                                   0x65,
                                   static_cast<uint8_t>(handle >> 24),
                                   static_cast<uint8_t>(handle >> 16),
                                   static_cast<uint8_t>(handle >> 8),
                                   static_cast<uint8_t>(handle)};
      uint8_t response[4096];
      size_t size = sizeof response;
      if (Tss2_Tcti_Transmit(inner_, sizeof command, command) != TSS2_RC_SUCCESS) return;
      (void)Tss2_Tcti_Receive(inner_, &size, response, TSS2_TCTI_TIMEOUT_BLOCK);
    }
  }

  TSS2_TCTI_CONTEXT_COMMON_V2 common_{};  // first: ESYS sees only this
  TSS2_TCTI_CONTEXT* inner_ = nullptr;
  TpmFaultPlan plan_;
  std::optional<TpmFault> fault_;
  TpmTraffic* traffic_ = nullptr;
  TPM2_CC code_ = 0;
  uint32_t target_ = 0;
  std::set<uint32_t> held_;
};

/// An opener for TpmSealer whose connections misbehave by the plan.
inline keyring::TpmOpener faulty_opener(std::string tcti, TpmFaultPlan plan, TpmTraffic* traffic = nullptr) {
  return [tcti = std::move(tcti), plan = std::move(plan),
          traffic]() -> Result<std::unique_ptr<keyring::TpmContext>> {
    auto made = FaultyTcti::make(tcti, plan, traffic);
    if (!made) return fail(Errc::tpm_failed, "no TPM for the test");
    return keyring::TpmContext::attach(std::move(made));
  };
}

}  // namespace akm::test
