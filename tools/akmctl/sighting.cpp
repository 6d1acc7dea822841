#include "tools/akmctl/sighting.h"

#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

/// Takes the value, or notes why there is none.
template <typename T, typename Into>
void take(Sighting& out, Into& into, Result<T> told, const std::string& what) {
  if (told) {
    into = std::move(*told);
  } else {
    out.untold.push_back(what + ": " + told.error().message());
  }
}

/// The same of what a daemon says of itself.
template <typename T>
bool take_state(Sighting& out, std::optional<T>& into, Result<T> told, dbus::Service service) {
  if (!told) out.silent[service] = told.error();
  take(out, into, std::move(told), std::string("the state of ") + program_of(service));
  return into.has_value();
}

}  // namespace

Result<Sighting> look_around(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.connect());
  Sighting out;
  const auto is_there = [&](dbus::Service service) {
    const auto there = proxy->is_there(service);
    return there && *there;
  };
  using dbus::Service;
  if (is_there(Service::node) && take_state(out, out.node, proxy->node_status(), Service::node))
    take(out, out.node_asrs, proxy->asrs(Service::node), "the node's relationships");
  if (is_there(Service::nmm) && take_state(out, out.nmm, proxy->nmm_status(), Service::nmm)) {
    take(out, out.nodes, proxy->nodes(), "the NMM's nodes");
    take(out, out.nmm_asrs, proxy->asrs(Service::nmm), "the NMM's relationships");
  }
  dbus::RootProxy root(*proxy);
  if (is_there(Service::root) && take_state(out, out.root, root.status(), Service::root))
    take(out, out.nmms, root.nmms(), "the Root's NMMs");
  return out;
}

}  // namespace akm::ctl
