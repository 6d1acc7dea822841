#include "tools/akmctl/live_names.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/policy/catalogue.h"
#include "dbus/root_proxy.h"
#include "tools/akmctl/session.h"

namespace akm::ctl {
namespace {

constexpr double kPatienceS = 1.0;

/// By name; by id where there is no name, or more than one has it.
void add(std::vector<Candidate>& out, const std::string& name, std::uint64_t id, const std::string& what) {
  const bool taken = std::ranges::find(out, name, &Candidate::text) != out.end();
  out.push_back({name.empty() || taken ? hex_id(id) : name, what + " " + hex_id(id)});
}

Result<std::vector<Candidate>> nodes(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::nmm));
  AKM_ASSIGN(const auto known, proxy->nodes());
  std::vector<Candidate> out;
  for (const nmm::NodeSnapshot& one : known) add(out, one.name, one.node_id, one.state);
  return out;
}

Result<std::vector<Candidate>> asrs(Session& session) {
  AKM_ASSIGN(const dbus::Service service, session.either());
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const auto known, proxy->asrs(service));
  std::vector<Candidate> out;
  for (const AsrSnapshot& one : known) add(out, one.label, one.id, one.phase);
  return out;
}

Result<std::vector<Candidate>> nmms(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(dbus::Service::root));
  AKM_ASSIGN(const auto known, dbus::RootProxy(*proxy).nmms());
  std::vector<Candidate> out;
  for (const root::NmmSnapshot& one : known) add(out, one.name, one.nmm_id, one.state);
  return out;
}

/// The first page: whoever has more looks for the id in the list.
Result<std::vector<Candidate>> incidents(Session& session) {
  AKM_ASSIGN(const dbus::Service service, session.either());
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const auto known, proxy->audit_incidents(service, 0));
  std::vector<Candidate> out;
  for (const IncidentSummary& one : known)
    out.push_back({hex_id(one.id), one.detection + " " + one.grade + " " + one.state});
  return out;
}

std::vector<Candidate> classes() {
  std::vector<Candidate> out;
  for (const policy::CatalogueEntry& one : policy::kCatalogue)
    out.push_back({std::string(one.name), std::string(one.row) + " " + std::string(one.catches)});
  return out;
}

std::vector<Candidate> kinds() {
  std::vector<Candidate> out;
  for (const char* kind : {"domain", "nmm", "node", "asr", "policy"}) out.push_back({kind, ""});
  return out;
}

Result<std::vector<Candidate>> look(Filler filler, Session& session) {
  switch (filler) {
    case Filler::nothing:
    case Filler::files:
    case Filler::hosts:
    case Filler::choices:
      return {};
    case Filler::nodes:
      return nodes(session);
    case Filler::asrs:
      return asrs(session);
    case Filler::nmms:
      return nmms(session);
    case Filler::incidents:
      return incidents(session);
    case Filler::classes:
      return classes();
    case Filler::kinds:
      return kinds();
  }
  return {};
}

}  // namespace

std::vector<Candidate> names_for(Filler filler, Session& session) {
  const bool asks = filler != Filler::classes && filler != Filler::kinds;
  if (asks && !session.options.host.empty()) return {};
  session.options.timeout_s = kPatienceS;
  auto found = look(filler, session);
  return found ? std::move(*found) : std::vector<Candidate>();
}

}  // namespace akm::ctl
