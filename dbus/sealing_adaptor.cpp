#include "dbus/sealing_adaptor.h"

#include <systemd/sd-bus.h>

#include <charconv>
#include <utility>

#include "daemon/base/hex.h"
#include "dbus/errors.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"

namespace akm::dbus {
namespace {

// "7" -> 64 hex digits.
Result<PcrChanges> read_changes(Reader& in) {
  AKM_ASSIGN(const auto texts, in.text_map(limits::kPcrs, limits::kPcrTextBytes));
  PcrChanges out;
  for (const auto& [number, value] : texts) {
    std::uint32_t pcr = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), pcr);
    auto bytes = parse_hex(value);
    if (error != std::errc() || end != number.data() + number.size() || pcr >= limits::kPcrs || !bytes) {
      return fail(Errc::invalid_argument, "PCRs are 0 to 23, their values hex digits");
    }
    out[pcr] = std::move(*bytes);
  }
  return out;
}

Result<SecretBuffer> read_secret(Reader& in) {
  AKM_ASSIGN(const UniqueFd fd, in.fd());
  return read_sealed_memfd(fd.get(), limits::kCodeBytes);
}

}  // namespace

struct SealingAdaptor::Vtable {
  template <auto Parse>
  static int method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<SealingAdaptor*>(userdata);
    Reader in(message);
    return dispatch(self->authorizer_, message, (self->*Parse)(in));
  }
  static const sd_bus_vtable* table();
};

const sd_bus_vtable* SealingAdaptor::Vtable::table() {
  constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  using Self = SealingAdaptor;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_METHOD_WITH_ARGS(
          "GetPcrs", SD_BUS_NO_ARGS,
          SD_BUS_ARGS("u", mask, "ay", sealed, "ay", present, "u", authorized, "b", policy_key),
          method<&Self::get_pcrs>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("PredictPcrs", SD_BUS_ARGS("a{ss}", changes),
                              SD_BUS_ARGS("ay", values, "ay", to_sign), method<&Self::predict_pcrs>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("AuthorizePcrs", SD_BUS_ARGS("a{ss}", changes, "ay", signature),
                              SD_BUS_NO_RESULT, method<&Self::authorize_pcrs>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("Reseal", SD_BUS_ARGS("h", secret), SD_BUS_NO_RESULT, method<&Self::reseal>,
                              kOpen),
      SD_BUS_METHOD_WITH_ARGS("Recover", SD_BUS_ARGS("h", secret), SD_BUS_NO_RESULT, method<&Self::recover>,
                              kOpen),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

SealingAdaptor::SealingAdaptor(Bus& bus, Authorizer& authorizer, std::string path, SealingPort& port)
    : authorizer_(authorizer), port_(port) {
  bus.add_export([this, path = std::move(path)](sd_bus* handle) -> Status {
    const int r =
        sd_bus_add_object_vtable(handle, nullptr, path.c_str(), kSealingName, Vtable::table(), this);
    if (r < 0) return std::unexpected(error_from_errno(r, "exporting org.akm.Sealing1"));
    return {};
  });
}

Result<Action> SealingAdaptor::get_pcrs(Reader&) {
  return [this](Call call) {
    port_.pcrs([call = std::move(call)](Result<PcrFacts> facts) mutable {
      if (!facts) return call.fail(facts.error());
      call.reply([&](Writer& out) {
        out.u32(facts->mask).bytes(facts->sealed).bytes(facts->present).u32(facts->authorised);
        out.boolean(facts->policy_key);
      });
    });
  };
}

Result<Action> SealingAdaptor::predict_pcrs(Reader& in) {
  AKM_ASSIGN(PcrChanges changes, read_changes(in));
  return [this, changes = std::move(changes)](Call call) mutable {
    port_.predict(std::move(changes), [call = std::move(call)](Result<PcrPrediction> predicted) mutable {
      if (!predicted) return call.fail(predicted.error());
      call.reply([&](Writer& out) { out.bytes(predicted->values).bytes(predicted->to_sign); });
    });
  };
}

Result<Action> SealingAdaptor::authorize_pcrs(Reader& in) {
  AKM_ASSIGN(PcrChanges changes, read_changes(in));
  AKM_ASSIGN(auto signature, in.bytes(limits::kSignatureBytes));
  return [this, changes = std::move(changes), signature = std::move(signature)](Call call) mutable {
    port_.authorise(std::move(changes), std::move(signature), Call::done(std::move(call)));
  };
}

Result<Action> SealingAdaptor::reseal(Reader& in) {
  AKM_ASSIGN(SecretBuffer secret, read_secret(in));
  return [this, secret = std::move(secret)](Call call) mutable {
    port_.reseal(std::move(secret), Call::done(std::move(call)));
  };
}

Result<Action> SealingAdaptor::recover(Reader& in) {
  AKM_ASSIGN(SecretBuffer secret, read_secret(in));
  return [this, secret = std::move(secret)](Call call) mutable {
    port_.recover(std::move(secret), Call::done(std::move(call)));
  };
}

}  // namespace akm::dbus
