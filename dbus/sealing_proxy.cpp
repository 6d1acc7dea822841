// The client side of org.akm.Sealing1.
#include "daemon/base/hex.h"
#include "dbus/limits.h"
#include "dbus/proxy.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kValuesBytes = limits::kPcrs * 32;

void write_changes(Writer& out, const PcrChanges& changes) {
  std::map<std::string, std::string> texts;
  for (const auto& [pcr, value] : changes) texts[std::to_string(pcr)] = hex(value);
  out.text_map(texts);
}

}  // namespace

Status Proxy::sealing_call(Service service, const char* member, const std::function<void(Writer&)>& write,
                           const std::function<Status(Reader&)>& read) {
  return call({service_name(service), root_of(service), "org.akm.Sealing1", member}, write, read);
}

Result<PcrFacts> Proxy::pcrs(Service service) {
  PcrFacts out;
  AKM_TRY(sealing_call(
      service, "GetPcrs", [](Writer&) {},
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out.mask, in.u32());
        AKM_ASSIGN(out.sealed, in.bytes(kValuesBytes));
        AKM_ASSIGN(out.present, in.bytes(kValuesBytes));
        AKM_ASSIGN(out.authorised, in.u32());
        AKM_ASSIGN(out.policy_key, in.boolean());
        return {};
      }));
  return out;
}

Result<PcrPrediction> Proxy::predict_pcrs(Service service, const PcrChanges& changes) {
  PcrPrediction out;
  AKM_TRY(sealing_call(
      service, "PredictPcrs", [&](Writer& writer) { write_changes(writer, changes); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out.values, in.bytes(kValuesBytes));
        AKM_ASSIGN(out.to_sign, in.bytes(limits::kSignatureBytes));
        return {};
      }));
  return out;
}

Status Proxy::authorize_pcrs(Service service, const PcrChanges& changes,
                             const std::vector<std::uint8_t>& signature) {
  return sealing_call(
      service, "AuthorizePcrs",
      [&](Writer& out) {
        write_changes(out, changes);
        out.bytes(signature);
      },
      [](Reader&) { return Status{}; });
}

Status Proxy::reseal(Service service, const UniqueFd& secret, bool recover) {
  return sealing_call(
      service, recover ? "Recover" : "Reseal", [&](Writer& out) { out.fd(secret.get()); },
      [](Reader&) { return Status{}; });
}

}  // namespace akm::dbus
