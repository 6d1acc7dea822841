// The client side of org.akm.Policy1.
#include "daemon/base/policy_port.h"
#include "dbus/limits.h"
#include "dbus/proxy.h"

namespace akm::dbus {
namespace {

Status nothing(Reader&) {
  return {};
}

Status read_windows(Reader& in, std::vector<MaintenanceFacts>& out) {
  AKM_TRY(in.enter('a', "(sxxs)"));
  while (true) {
    AKM_ASSIGN(const bool more, in.enter('r', "sxxs"));
    if (!more) break;
    if (out.size() == limits::kListItems) return fail(Errc::too_large, "windows");
    MaintenanceFacts& one = out.emplace_back();
    AKM_ASSIGN(one.scope, in.text(limits::kNameBytes));
    AKM_ASSIGN(one.since_ns, in.i64());
    AKM_ASSIGN(one.until_ns, in.i64());
    AKM_ASSIGN(one.why, in.text(limits::kTextBytes));
    AKM_TRY(in.exit());
  }
  return in.exit();
}

}  // namespace

Status Proxy::policy_call(Service service, const char* member, const std::function<void(Writer&)>& write,
                          const std::function<Status(Reader&)>& read) {
  return call({service_name(service), root_of(service), "org.akm.Policy1", member}, write, read);
}

Result<std::map<std::string, std::string>> Proxy::policy_facts(Service service, const std::string& scope) {
  std::map<std::string, std::string> out;
  AKM_TRY(policy_call(
      service, "GetPolicy", [&](Writer& writer) { writer.text(scope); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(out, in.text_map(limits::kListItems, limits::kTextBytes));
        return {};
      }));
  return out;
}

Status Proxy::set_policy_text(Service service, const std::string& scope, const std::string& text) {
  return policy_call(
      service, "SetPolicy", [&](Writer& out) { out.text(scope).bytes({text.begin(), text.end()}); }, nothing);
}

Result<std::vector<MaintenanceFacts>> Proxy::maintenance(Service service) {
  std::vector<MaintenanceFacts> out;
  AKM_TRY(policy_call(
      service, "ListMaintenance", [](Writer&) {}, [&](Reader& in) { return read_windows(in, out); }));
  return out;
}

Status Proxy::start_maintenance(Service service, const std::string& scope, std::uint32_t seconds,
                                const std::string& why) {
  return policy_call(
      service, "StartMaintenance", [&](Writer& out) { out.text(scope).u32(seconds).text(why); }, nothing);
}

Status Proxy::stop_maintenance(Service service, const std::string& scope) {
  return policy_call(service, "StopMaintenance", [&](Writer& out) { out.text(scope); }, nothing);
}

}  // namespace akm::dbus
