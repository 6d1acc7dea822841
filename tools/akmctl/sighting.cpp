#include "tools/akmctl/sighting.h"

#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

/// Takes the value, or notes why there is none.
template <typename T, typename Into>
bool take(Sighting& out, Into& into, Result<T> told, const std::string& what) {
  if (!told) {
    out.untold.push_back(what + ": " + told.error().message());
    return false;
  }
  into = std::move(*told);
  return true;
}

}  // namespace

Result<Sighting> look_around(Session& session) {
  AKM_ASSIGN(dbus::Proxy* const proxy, session.connect());
  Sighting out;
  const auto is_there = [&](dbus::Service service) {
    const auto there = proxy->is_there(service);
    if (!there || !*there) return false;
    out.there.push_back(service);
    return true;
  };
  if (is_there(dbus::Service::node) && take(out, out.node, proxy->node_status(), "the state of akmd"))
    take(out, out.node_asrs, proxy->asrs(dbus::Service::node), "the node's relationships");
  if (is_there(dbus::Service::nmm) && take(out, out.nmm, proxy->nmm_status(), "the state of akm-nmmd")) {
    take(out, out.nodes, proxy->nodes(), "the NMM's nodes");
    take(out, out.nmm_asrs, proxy->asrs(dbus::Service::nmm), "the NMM's relationships");
  }
  dbus::RootProxy root(*proxy);
  if (is_there(dbus::Service::root) && take(out, out.root, root.status(), "the state of akm-rootd"))
    take(out, out.nmms, root.nmms(), "the Root's NMMs");
  return out;
}

}  // namespace akm::ctl
