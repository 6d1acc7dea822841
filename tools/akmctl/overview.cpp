#include "tools/akmctl/overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/akmctl/names.h"
#include "tools/akmctl/remedies.h"
#include "tools/akmctl/screen.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {
namespace {

using dbus::Service;
using node::NodeState;

constexpr std::size_t kChecksShown = 12;
constexpr std::size_t kNamesShown = 4;

std::string counted(std::size_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

/// "a, b, c, d and 3 more".
std::string some(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) out += (i > 0 ? ", " : "") + names[i];
  return names.size() <= kNamesShown ? out : out + fmt::format(" and {} more", names.size() - kNamesShown);
}

void add_state(Checks& out, const node::StatusSnapshot& s) {
  const auto add = [&](Health health, const char* says, const std::string& remedy) {
    out.push_back({"node", "", health, says, remedy});
  };
  switch (s.state) {
    case NodeState::active:
      return;
    case NodeState::sealed_unavailable:
      return add(Health::problem, "akmd is up without its state",
                 "what it says below; it takes up its state by itself when it can");
    case NodeState::unprovisioned:
      return add(Health::warning, "this node has no credentials",
                 "at the NMM: akmctl nmm bundle NAME --to DRIVE; here: akmctl node provision FROM");
    case NodeState::provisioned:
      return add(Health::warning, "this node is not in service yet", "akmctl node activate");
    case NodeState::activating:
      return add(Health::notice, "this node is reaching its NMM",
                 "wait a little; if it lasts, 'akmctl doctor' looks at the way there");
    case NodeState::quarantined:
      return add(Health::problem, "this node is in quarantine: it has no keys of any relationship",
                 "akmctl incident list says why; when the machine is sound, at the NMM: akmctl readmit " +
                     s.node_name);
  }
}

void add_node(Checks& out, const Sighting& sighting) {
  const node::StatusSnapshot& s = *sighting.node;
  add_state(out, s);
  for (const std::string& finding : s.findings) out.push_back(check_of_finding(Service::node, finding));
  for (const node::BundleSnapshot& one : s.bundles) {
    const std::string where = one.file.empty() ? one.device : one.device + "/" + one.file;
    if (one.refusal.empty()) {
      out.push_back({"node", "", Health::notice, "a bundle is plugged in: " + where,
                     "akmctl node provision --from " + where});
    } else {
      out.push_back({"node", "", Health::warning,
                     "a bundle that cannot be used is plugged in: " + where + ": " + one.refusal,
                     "pull it out, and have the NMM prepare this node"});
    }
  }
  std::vector<std::string> behind;
  for (const AsrSnapshot& one : sighting.node_asrs) {
    if (!one.chain.empty() && one.chain != "normal") behind.push_back(one.label + " (" + one.chain + ")");
  }
  if (!behind.empty()) {
    out.push_back({"node", "", Health::warning, "members do not agree on the normal chain: " + some(behind),
                   "akmctl asr show ASR says whom it waits for; it goes on by itself when they answer"});
  }
}

/// Nodes in one state, by name.
std::vector<std::string> in_state(const std::vector<nmm::NodeSnapshot>& nodes, std::string_view state) {
  std::vector<std::string> out;
  for (const nmm::NodeSnapshot& one : nodes) {
    if (one.state == state) out.push_back(one.name);
  }
  return out;
}

void add_nodes(Checks& out, const Sighting& sighting) {
  if (const auto silent = in_state(sighting.nodes, "silent"); !silent.empty()) {
    out.push_back({"nmm", "", Health::warning, counted(silent.size(), "node") + " not heard: " + some(silent),
                   "look whether the machine is up and UDP gets through: ssh NODE akmctl doctor. One that "
                   "is lost: akmctl nmm retire NODE --forget"});
  }
  if (const auto out_of = in_state(sighting.nodes, "quarantined"); !out_of.empty()) {
    out.push_back({"nmm", "", Health::problem,
                   counted(out_of.size(), "node") + " in quarantine: " + some(out_of),
                   "akmctl incident list says why; when the machine is sound: akmctl readmit NODE"});
  }
  std::vector<std::string> waiting;
  for (const AsrSnapshot& one : sighting.nmm_asrs) {
    std::vector<std::string> names;
    names.reserve(one.stragglers.size());
    for (const StragglerSnapshot& straggler : one.stragglers) names.push_back(straggler.name);
    if (!names.empty()) waiting.push_back(one.label + " for " + some(names));
  }
  if (!waiting.empty()) {
    out.push_back({"nmm", "", Health::warning, "relationships wait: " + some(waiting),
                   "akmctl asr show ASR says for what; they are told until they have answered"});
  }
}

void add_nmm(Checks& out, const Sighting& sighting) {
  const nmm::StatusSnapshot& s = *sighting.nmm;
  if (s.state == "no-root-secret") {
    out.push_back({"nmm", "", Health::warning, "this NMM has no root secret: it can provision nobody",
                   "akmctl nmm init where it stands alone; akmctl nmm join FROM where there is a Root"});
  } else if (s.state == "sealed-unavailable") {
    out.push_back({"nmm", "", Health::problem, "akm-nmmd is up without its state",
                   "what it says below; it takes up its state by itself when it can"});
  }
  for (const std::string& finding : s.findings) out.push_back(check_of_finding(Service::nmm, finding));
  add_nodes(out, sighting);
}

void add_root(Checks& out, const Sighting& sighting) {
  const root::StatusSnapshot& s = *sighting.root;
  if (s.state == "no-root-secret") {
    out.push_back({"root", "", Health::warning, "the domain has no secret: no NMM can be prepared",
                   "akmctl root init"});
  } else if (s.state == "sealed-unavailable") {
    out.push_back({"root", "", Health::problem, "akm-rootd is up without its state",
                   "what it says below; it takes up its state by itself when it can"});
  }
  for (const std::string& finding : s.findings) out.push_back(check_of_finding(Service::root, finding));
  std::vector<std::string> silent;
  for (const root::NmmSnapshot& one : sighting.nmms) {
    if (one.state == "silent") silent.push_back(one.name);
  }
  if (!silent.empty()) {
    out.push_back({"root", "", Health::warning, counted(silent.size(), "NMM") + " not heard: " + some(silent),
                   "look whether it runs: akmctl --host NMM status. One that is lost: akmctl root nmm "
                   "replace NMM. Its nodes go on meanwhile"});
  }
}

}  // namespace

Checks checks_of(const Sighting& sighting) {
  Checks out;
  if (sighting.node) add_node(out, sighting);
  if (sighting.nmm) add_nmm(out, sighting);
  if (sighting.root) add_root(out, sighting);
  if (!sighting.untold.empty()) {
    out.push_back({"bus", "", Health::notice, "not all was told: " + some(sighting.untold),
                   "ask as uid 0 or as a member of the group 'akm'"});
  }
  // The worst first; what was said first stays first among equals.
  Checks sorted;
  for (const Health health : {Health::problem, Health::warning, Health::notice, Health::good})
    std::ranges::copy_if(out, std::back_inserter(sorted),
                         [&](const Check& one) { return one.health == health; });
  return sorted;
}

std::vector<DaemonLine> lines_of(const Sighting& sighting) {
  std::vector<DaemonLine> out;
  const auto keys = [](const auto& s) { return s.hardware_protected ? s.key_storage : "sealed in software"; };
  if (const auto& s = sighting.node) {
    const std::size_t operational = static_cast<std::size_t>(
        std::ranges::count(sighting.node_asrs, std::string("operational"), &AsrSnapshot::kind));
    out.push_back({Service::node, std::string(node::node_state_name(s->state)), s->node_name, s->version,
                   fmt::format("{}{}{}; keys {}", s->nmm_name.empty() ? "" : "NMM " + s->nmm_name + "; ",
                               counted(operational, "relationship"),
                               s->probes.empty() ? "; NOTHING IS DETECTED" : "", keys(*s))});
  }
  if (const auto& s = sighting.nmm) {
    std::map<std::string, std::size_t> states;
    for (const nmm::NodeSnapshot& one : sighting.nodes) ++states[one.state];
    std::string nodes;
    for (const auto& [state, count] : states)
      nodes += fmt::format("{}{} {}", nodes.empty() ? "" : ", ", count, state);
    out.push_back({Service::nmm, s->state, s->name, s->version,
                   fmt::format("{}{}; {}; Root: {}; keys {}", counted(sighting.nodes.size(), "node"),
                               nodes.empty() ? "" : " (" + nodes + ")",
                               counted(sighting.nmm_asrs.size(), "relationship"),
                               s->root_state.empty() ? "none" : s->root_state, keys(*s))});
  }
  if (const auto& s = sighting.root) {
    out.push_back(
        {Service::root, s->state, s->name, s->version,
         fmt::format("{}; {}; keys {}", counted(sighting.nmms.size(), "NMM"), s->database, keys(*s))});
  }
  return out;
}

std::string overview_text(const Sighting& sighting, const Checks& checks) {
  Table daemons({"DAEMON", "STATE", "NAME", "WHAT IT HAS"});
  for (const DaemonLine& one : lines_of(sighting))
    daemons.row({program_of(one.service), one.state, one.name, one.summary});
  std::string out = daemons.text() + "\n" + verdict(checks) + ".\n";
  for (std::size_t i = 0; i < checks.size() && i < kChecksShown; ++i)
    out += (i == 0 ? "\n" : "") + check_text(checks[i]);
  if (checks.size() > kChecksShown) {
    out += fmt::format("\n{} more: akmctl --json status, or akmctl node|nmm|root status\n",
                       checks.size() - kChecksShown);
  }
  return out;
}

std::string overview_json(const Sighting& sighting, const Checks& checks) {
  using Json = nlohmann::ordered_json;
  Json services = Json::array();
  for (const DaemonLine& one : lines_of(sighting)) {
    services.push_back({{"service", short_name(one.service)},
                        {"state", one.state},
                        {"name", one.name},
                        {"version", one.version},
                        {"summary", one.summary}});
  }
  const Json out{{"health", health_name(worst(checks))},
                 {"services", services},
                 {"checks", Json::parse(checks_json(checks))}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace akm::ctl
