// The calls about how a node comes, moves and goes.
#include "dbus/direct_offer.h"
#include "dbus/limits.h"
#include "dbus/proxy.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kFacts = 256;
constexpr const char* kNodePath = "/org/akm/Node1";
constexpr const char* kNmmPath = "/org/akm/Nmm1";

const auto no_arguments = [](Writer&) {};
const auto nothing = [](Reader&) -> Status { return {}; };

}  // namespace

Status Proxy::node_call(const char* member, const std::function<Status(Reader&)>& read) {
  return call({service_name(Service::node), kNodePath, service_name(Service::node), member}, no_arguments,
              read);
}

Status Proxy::nmm_call_with(const char* member, const std::function<void(Writer&)>& write,
                            const std::function<Status(Reader&)>& read) {
  return call({service_name(Service::nmm), kNmmPath, service_name(Service::nmm), member}, write, read);
}

Result<std::string> Proxy::zeroize() {
  std::string receipt;
  AKM_TRY(node_call("Zeroize", [&](Reader& in) -> Status {
    AKM_ASSIGN(receipt, in.text(limits::kTextBytes));
    return {};
  }));
  return clean_text(receipt, limits::kTextBytes);
}

Status Proxy::rehome() {
  return node_call("Rehome", nothing);
}

Status Proxy::generalize() {
  return node_call("Generalize", nothing);
}

Result<node::ControlPort::Offer> Proxy::offer_handover() {
  node::ControlPort::Offer offer;
  AKM_TRY(node_call("OfferHandover", [&](Reader& in) -> Status {
    AKM_ASSIGN(offer.identity.value, in.bytes(limits::kHardwareValueBytes));
    AKM_ASSIGN(offer.identity.sources, in.pairs('r', kFacts));
    AKM_ASSIGN(offer.key, in.bytes(limits::kHandoverKeyBytes));
    AKM_ASSIGN(offer.fingerprint, in.text(limits::kNameBytes));
    return {};
  }));
  return offer;
}

Result<nmm::ControlPort::DirectOffer> Proxy::begin_direct(const Prepare& what,
                                                          const std::string& bus_address) {
  nmm::ControlPort::DirectOffer offer;
  AKM_TRY(nmm_call_with(
      "BeginDirect",
      [&](Writer& out) { out.text(what.node_name).texts(what.node_endpoints).text(bus_address); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(offer, read_offer(in));
        return {};
      }));
  return offer;
}

Result<std::uint64_t> Proxy::confirm_direct(std::uint64_t handle, const std::string& fingerprint) {
  std::uint64_t node_id = 0;
  AKM_TRY(nmm_call_with(
      "ConfirmDirect", [&](Writer& out) { out.u64(handle).text(fingerprint); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(node_id, in.u64());
        return {};
      }));
  return node_id;
}

Result<std::vector<std::pair<std::string, std::string>>> Proxy::describe_node(std::uint64_t node_id) {
  std::vector<std::pair<std::string, std::string>> facts;
  AKM_TRY(nmm_call_with(
      "DescribeNode", [&](Writer& out) { out.u64(node_id); },
      [&](Reader& in) -> Status {
        AKM_ASSIGN(facts, in.pairs('r', kFacts));
        return {};
      }));
  for (auto& [fact, value] : facts) {
    fact = clean_text(fact, limits::kTextBytes);
    value = clean_text(value, limits::kTextBytes);
  }
  return facts;
}

Status Proxy::reprovision(std::uint64_t node_id) {
  return nmm_call("Reprovision", {node_id});
}

Status Proxy::rehome_node(std::uint64_t node_id, const std::vector<std::uint8_t>& hardware_value) {
  return nmm_call_with("Rehome", [&](Writer& out) { out.u64(node_id).bytes(hardware_value); }, nothing);
}

Status Proxy::retire_node(std::uint64_t node_id, bool forget) {
  return nmm_call_with("Retire", [&](Writer& out) { out.u64(node_id).boolean(forget); }, nothing);
}

Status Proxy::accept_hardware() {
  return nmm_call("AcceptHardware", {});
}

}  // namespace akm::dbus
