#include "dbus/policy_adaptor.h"

#include <systemd/sd-bus.h>

#include <utility>
#include <vector>

#include "dbus/errors.h"
#include "dbus/limits.h"

namespace akm::dbus {
namespace {

Result<std::string> read_scope(Reader& in) {
  return in.text(limits::kNameBytes);
}

}  // namespace

struct PolicyAdaptor::Vtable {
  template <auto Parse>
  static int method(sd_bus_message* message, void* userdata, sd_bus_error*) {
    auto* self = static_cast<PolicyAdaptor*>(userdata);
    Reader in(message);
    return dispatch(self->authorizer_, message, (self->*Parse)(in));
  }
  static const sd_bus_vtable* table();
};

const sd_bus_vtable* PolicyAdaptor::Vtable::table() {
  constexpr std::uint64_t kOpen = SD_BUS_VTABLE_UNPRIVILEGED;  // the authorizer decides, not sd-bus
  using Self = PolicyAdaptor;
  static const sd_bus_vtable kTable[] = {
      SD_BUS_VTABLE_START(0),
      SD_BUS_METHOD_WITH_ARGS("GetPolicy", SD_BUS_ARGS("s", scope), SD_BUS_ARGS("a{ss}", facts),
                              method<&Self::get_policy>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("SetPolicy", SD_BUS_ARGS("s", scope, "ay", text), SD_BUS_NO_RESULT,
                              method<&Self::set_policy>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("ListMaintenance", SD_BUS_NO_ARGS, SD_BUS_ARGS("a(sxxs)", windows),
                              method<&Self::list_maintenance>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("StartMaintenance", SD_BUS_ARGS("s", scope, "u", seconds, "s", why),
                              SD_BUS_NO_RESULT, method<&Self::start_maintenance>, kOpen),
      SD_BUS_METHOD_WITH_ARGS("StopMaintenance", SD_BUS_ARGS("s", scope), SD_BUS_NO_RESULT,
                              method<&Self::stop_maintenance>, kOpen),
      SD_BUS_VTABLE_END,
  };
  return kTable;
}

PolicyAdaptor::PolicyAdaptor(Bus& bus, Authorizer& authorizer, std::string path,
                             std::function<PolicyPort*()> port)
    : authorizer_(authorizer), port_(std::move(port)) {
  bus.add_export([this, path = std::move(path)](sd_bus* handle) -> Status {
    const int r = sd_bus_add_object_vtable(handle, nullptr, path.c_str(), kPolicyName, Vtable::table(), this);
    if (r < 0) return std::unexpected(error_from_errno(r, "exporting org.akm.Policy1"));
    return {};
  });
}

Action PolicyAdaptor::acting(std::function<Status(PolicyPort&)> act) {
  return [this, act = std::move(act)](Call call) mutable {
    PolicyPort* const port = port_();
    const Status status = port == nullptr ? Status(fail(Errc::sealed_unavailable)) : act(*port);
    Call::done(std::move(call))(status);
  };
}

Result<Action> PolicyAdaptor::get_policy(Reader& in) {
  AKM_ASSIGN(std::string scope, read_scope(in));
  return [this, scope = std::move(scope)](Call call) {
    const PolicyPort* const port = port_();
    if (port == nullptr) return call.fail(Error{Errc::sealed_unavailable, {}});
    const auto facts = port->policy_facts(scope);
    if (!facts) return call.fail(facts.error());
    call.reply([&](Writer& out) { out.text_map(*facts); });
  };
}

Result<Action> PolicyAdaptor::set_policy(Reader& in) {
  AKM_ASSIGN(std::string scope, read_scope(in));
  AKM_ASSIGN(const std::vector<std::uint8_t> bytes, in.bytes(limits::kPolicyFileBytes));
  std::string text(bytes.begin(), bytes.end());
  return acting([scope = std::move(scope), text = std::move(text)](PolicyPort& port) {
    return port.set_policy_text(scope, text);
  });
}

Result<Action> PolicyAdaptor::list_maintenance(Reader&) {
  return [this](Call call) {
    const PolicyPort* const port = port_();
    if (port == nullptr) return call.fail(Error{Errc::sealed_unavailable, {}});
    call.reply([&](Writer& out) {
      out.open('a', "(sxxs)");
      for (const MaintenanceFacts& one : port->maintenance())
        out.open('r', "sxxs").text(one.scope).i64(one.since_ns).i64(one.until_ns).text(one.why).close();
      out.close();
    });
  };
}

Result<Action> PolicyAdaptor::start_maintenance(Reader& in) {
  AKM_ASSIGN(std::string scope, read_scope(in));
  AKM_ASSIGN(const std::uint32_t seconds, in.u32());
  AKM_ASSIGN(std::string why, in.text(limits::kTextBytes));
  return acting([scope = std::move(scope), seconds, why = std::move(why)](PolicyPort& port) {
    return port.start_maintenance(scope, seconds, why);
  });
}

Result<Action> PolicyAdaptor::stop_maintenance(Reader& in) {
  AKM_ASSIGN(std::string scope, read_scope(in));
  return acting([scope = std::move(scope)](PolicyPort& port) { return port.stop_maintenance(scope); });
}

}  // namespace akm::dbus
