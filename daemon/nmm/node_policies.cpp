#include "daemon/nmm/node_policies.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/nmm/policy_merge.h"
#include "daemon/protocol/cbor.h"
#include "daemon/service/policy_file.h"
#include "daemon/service/recovery_text.h"

namespace akm::nmm {
namespace {

constexpr Duration kErrandDeadline = std::chrono::seconds(10);
constexpr std::string_view kRecovery = "recovery.";  // the NMM's part, which no node is told

constexpr std::size_t kWindowsShown = 512;

std::string asr_scope(protocol::AsrId asr_id) {
  return "asr:" + hex_id(asr_id);
}
std::string node_scope(protocol::NodeId node_id) {
  return "node:" + hex_id(node_id);
}

/// Rows are told apart by their names.
void lay_row(std::vector<protocol::DetectionPolicy::Values>& rows,
             const protocol::DetectionPolicy::Values& row) {
  const auto name = row.find("name");
  const auto same = std::ranges::find_if(rows, [&](const auto& known) {
    const auto other = known.find("name");
    return name != row.end() && other != known.end() && other->second == name->second;
  });
  if (same == rows.end()) {
    rows.push_back(row);
  } else {
    *same = row;
  }
}

/// A later one wins, key by key and row by row.
void lay_over(protocol::DetectionPolicy& to, const protocol::DetectionPolicy& from) {
  for (const auto& [name, value] : from.set) {
    if (!name.starts_with(kRecovery)) to.set.insert_or_assign(name, value);
  }
  for (const auto& [name, rows] : from.tables) {
    for (const auto& row : rows) lay_row(to.tables[name], row);
  }
}

bool has_policy(const NodeRecord& node) {
  return node.activated_serial != 0 && node.state != NodeState::prepared && node.state != NodeState::retired;
}

}  // namespace

/// [[[scope, body], ..], [[node_id, mark], ..]]
std::vector<std::uint8_t> NodePolicies::encode(const Policies& policies, const Told& told) {
  protocol::CborWriter writer;
  writer.array(2);
  writer.array(policies.size());
  for (const auto& [scope, policy] : policies) {
    writer.array(2);
    writer.text(scope);
    writer.bytes(policy.encode());
  }
  writer.array(told.size());
  for (const auto& [node_id, mark] : told) {
    writer.array(2);
    writer.unsigned_integer(node_id);
    writer.unsigned_integer(mark);
  }
  return writer.take();
}

std::vector<std::uint8_t> policies_record(const ScopedPolicies& policies) {
  return NodePolicies::encode(policies, {});
}

Status NodePolicies::store(const Policies& policies) {
  AKM_TRY(parts_.store.write(kPoliciesRecord, encode(policies, told_)));
  told_unsaved_ = false;
  return {};
}

Status NodePolicies::load(const RunningClock::BootId& boot, Instant now) {
  windows_.emplace(parts_.store, boot);
  const Status windows = windows_->load(now);
  const auto stored = parts_.store.read(kPoliciesRecord);
  if (!stored && stored.error().code == Errc::not_found) return windows;
  if (!stored) return std::unexpected(stored.error());
  protocol::CborReader reader(stored->reveal());
  Policies policies;
  Told told;
  if (reader.array(2) != 2) reader.refuse("policies");
  for (std::size_t left = reader.array(kScopedPolicies); left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("policies");
    std::string scope(reader.text(service::kMaintenanceScopeBytes));
    auto policy = protocol::DetectionPolicy::decode(reader.bytes(protocol::limits::kRequestBodyBytes));
    if (!policy) reader.refuse("policies");
    if (policy) policies.emplace(std::move(scope), std::move(*policy));
  }
  for (std::size_t left = reader.array(kNodes); left > 0 && reader.ok(); --left) {
    if (reader.array(2) != 2) reader.refuse("policies");
    const protocol::NodeId node_id = reader.unsigned_integer();
    told.emplace(node_id, reader.unsigned_integer());
  }
  if (!reader.finish()) return fail(Errc::state_corrupt, std::string(kPoliciesRecord));
  policies_ = std::move(policies);
  told_ = std::move(told);
  review(now);
  return windows;
}

Status NodePolicies::check_scope(const std::string& scope, bool nodes_too) const {
  if (scope == kDomainScope) return {};
  const auto id = [&](std::string_view kind) -> Result<std::uint64_t> {
    if (!scope.starts_with(kind)) return fail(Errc::not_found);
    return parse_hex_id(std::string_view(scope).substr(kind.size()));
  };
  if (const auto asr_id = id("asr:")) {
    const AsrRecord* record = parts_.registry.asr(*asr_id);
    if (record != nullptr && !record->deleted) return {};
  }
  if (const auto node_id = id("node:"); node_id && nodes_too && parts_.registry.node(*node_id) != nullptr)
    return {};
  return fail(Errc::not_found, "scope " + scope);
}

std::optional<service::MaintenanceWindow> NodePolicies::window_of(protocol::NodeId node_id,
                                                                  Instant now) const {
  std::optional<service::MaintenanceWindow> out;
  if (!windows_) return out;
  const auto consider = [&](const std::string& scope) {
    const service::MaintenanceWindow* window = windows_->window(scope, now);
    if (window != nullptr && (!out || window->until > out->until)) out = *window;
  };
  consider(std::string(kDomainScope));
  consider(node_scope(node_id));
  for (const protocol::AsrId asr_id : parts_.registry.asrs_of(node_id)) consider(asr_scope(asr_id));
  return out;
}

protocol::DetectionPolicy NodePolicies::meant_for(protocol::NodeId node_id, Instant now) const {
  const auto add = [&](protocol::DetectionPolicy& to, const std::string& scope) {
    const auto found = policies_.find(scope);
    if (found == policies_.end()) return false;
    to.own = false;
    lay_over(to, found->second);
    return true;
  };
  protocol::DetectionPolicy domain;
  (void)add(domain, std::string(kDomainScope));
  std::vector<protocol::DetectionPolicy> each;
  for (const protocol::AsrId asr_id : parts_.registry.asrs_of(node_id)) {
    protocol::DetectionPolicy one = domain;
    if (add(one, asr_scope(asr_id))) each.push_back(std::move(one));
  }
  protocol::DetectionPolicy out = each.empty() ? std::move(domain) : strictest(each);
  if (const auto window = window_of(node_id, now)) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(window->until - now).count();
    out.maintenance_s = static_cast<std::uint32_t>(left);
    out.why = window->why;
  }
  return out;
}

/// Not of the time that is left, which is another with each look at it.
NodePolicies::Mark NodePolicies::mark_of(const protocol::DetectionPolicy& policy, protocol::NodeId node_id,
                                         Instant now) const {
  const auto window = window_of(node_id, now);
  if (policy.own && !window) return 0;
  protocol::DetectionPolicy words = policy;
  words.maintenance_s = 0;
  protocol::CborWriter writer;
  writer.bytes(words.encode());
  writer.unsigned_integer(window ? static_cast<std::uint64_t>(window->until.ns) : 0);
  const auto digest = crypto::sha256({writer.take()});
  Mark mark = 0;
  for (std::size_t i = 0; i < sizeof(mark); ++i) mark = mark << 8 | digest.at(i);
  return std::max<Mark>(mark, 1);
}

bool NodePolicies::wants(protocol::NodeId node_id, Instant now) const {
  const auto told = told_.find(node_id);
  const Mark known = told == told_.end() ? 0 : told->second;
  // Where nobody has set anything, nothing is computed.
  if (known == 0 && policies_.empty() && (!windows_ || !windows_->next_end(now))) return false;
  return mark_of(meant_for(node_id, now), node_id, now) != known;
}

void NodePolicies::heard(protocol::NodeId node_id, Instant now) {
  errands_.heard(node_id, now);
  const NodeRecord* node = parts_.registry.node(node_id);
  if (node != nullptr && has_policy(*node) && wants(node_id, now)) (void)errands_.add({node_id, 0}, now);
}

void NodePolicies::review(Instant now) {
  for (const auto& [node_id, node] : parts_.registry.nodes()) {
    if (has_policy(node) && wants(node_id, now)) (void)errands_.add({node_id, 0}, now);
  }
}

void NodePolicies::pump(Instant now) {
  for (const Errand& errand : errands_.take(now)) {
    const NodeRecord* node = parts_.registry.node(errand.node_id);
    if (node == nullptr || !has_policy(*node)) {
      errands_.answered(errand);
      continue;
    }
    const protocol::DetectionPolicy policy = meant_for(errand.node_id, now);
    parts_.requests.send(node->provisioning_asr, protocol::Method::detection_policy, policy.encode(),
                         kErrandDeadline, now,
                         [this, errand, sent = mark_of(policy, errand.node_id, now)](
                             const Outcome& outcome, Instant at) { ended(errand, sent, outcome, at); });
  }
}

void NodePolicies::ended(const Errand& errand, Mark sent, const Outcome& outcome, Instant now) {
  // What it does not take it will not take the next time either: said, and not asked again.
  const bool refused = outcome.status == protocol::ControlStatus::refused_by_policy ||
                       outcome.status == protocol::ControlStatus::malformed ||
                       outcome.status == protocol::ControlStatus::not_supported;
  if (!outcome.ok() && !refused) return errands_.failed(errand, now);
  const NodeRecord* node = parts_.registry.node(errand.node_id);
  if (parts_.announce && node != nullptr) {
    parts_.announce(
        refused ? "detection-policy-refused" : "detection-policy-told", refused ? 3 : 6,
        refused ? "A node does not take the policy on detections." : "A node has the policy on detections.",
        {{"node", node->name}, {"node_id", hex_id(errand.node_id)}, {"status", outcome.why()}});
  }
  told_[errand.node_id] = sent;
  if (sent == 0) told_.erase(errand.node_id);
  told_unsaved_ = true;
  errands_.answered(errand);
  if (wants(errand.node_id, now)) (void)errands_.add(errand, now);
  // One writing when the last has answered: after a crash before it all are told again, which changes
  // nothing.
  if (errands_.size() == 0) (void)store(policies_);
}

std::optional<Instant> NodePolicies::next_deadline() const {
  return errands_.next_deadline();
}

policy::AdjudicationPolicy NodePolicies::recovery(const policy::AdjudicationPolicy& own,
                                                  protocol::AsrId asr_id,
                                                  std::vector<std::string>& names) const {
  service::Values words = service::recovery_values(own);
  bool said = false;
  for (const std::string& scope : {std::string(kDomainScope), asr_scope(asr_id)}) {
    const auto found = policies_.find(scope);
    if (found == policies_.end()) continue;
    for (const auto& [name, value] : found->second.set) {
      if (!name.starts_with(kRecovery)) continue;
      words.insert_or_assign(name, value);
      said = true;
    }
  }
  if (!said) return own;
  const auto config = service::Config::of(words, {}, "the policy", service::recovery_schema());
  if (!config) return own;  // it was checked when it was set
  const auto policy = service::recovery_from(*config);
  if (!policy) return own;
  const auto& more = service::never_evict_names(*config);
  names.insert(names.end(), more.begin(), more.end());
  return *policy;
}

bool NodePolicies::in_maintenance(protocol::NodeId node_id, protocol::AsrId asr_id, Instant now) const {
  if (!windows_) return false;
  return windows_->window(std::string(kDomainScope), now) != nullptr ||
         windows_->window(node_scope(node_id), now) != nullptr ||
         windows_->window(asr_scope(asr_id), now) != nullptr;
}

std::optional<Instant> NodePolicies::domain_window(Instant now) const {
  const auto* window = windows_ ? windows_->window(std::string(kDomainScope), now) : nullptr;
  if (window == nullptr) return std::nullopt;
  return window->until;
}

Result<std::map<std::string, std::string>> NodePolicies::policy_facts(const std::string& scope) const {
  const std::string which = scope.empty() ? std::string(kDomainScope) : scope;
  AKM_TRY(check_scope(which, false));
  const auto found = policies_.find(which);
  std::map<std::string, std::string> out{{"source", found == policies_.end() ? "none" : "set"},
                                         {"digest", ""}};
  if (found != policies_.end()) {
    const auto bytes = found->second.encode();
    out["digest"] = hex(crypto::sha256({bytes}));
  }
  std::set<protocol::NodeId> waiting;
  for (const auto& [node_id, node] : parts_.registry.nodes()) {
    if (errands_.contains({node_id, 0})) waiting.insert(node_id);
  }
  out["waiting"] = parts_.registry.names_of(waiting);
  return out;
}

Status NodePolicies::set_policy_text(const std::string& scope, const std::string& text) {
  // That of a relationship which is gone can be cleared still.
  if (!policies_.contains(scope)) AKM_TRY(check_scope(scope, false));
  Policies next = policies_;
  next.erase(scope);
  if (!text.empty()) {
    AKM_ASSIGN(const service::Config config,
               service::Config::parse(text, "policy", service::policy_file_schema()));
    AKM_TRY(service::node_policy(config));
    AKM_TRY(service::recovery_from(config));
    protocol::DetectionPolicy policy;
    policy.own = false;
    policy.set = config.set_values();
    policy.tables = config.set_tables();
    std::erase_if(policy.tables, [](const auto& table) { return table.second.empty(); });
    if (policy.encode().size() > protocol::limits::kRequestBodyBytes / 2 ||
        !protocol::DetectionPolicy::decode(policy.encode()))
      return fail(Errc::too_large, "a policy that is sent has at most 32 KiB, its texts 1024 bytes");
    if (next.size() >= kScopedPolicies) return fail(Errc::limit_exceeded, "256 policies");
    next.emplace(scope, std::move(policy));
  }
  AKM_TRY(store(next));
  policies_ = std::move(next);
  if (parts_.announce)
    parts_.announce(text.empty() ? "detection-policy-cleared" : "detection-policy-set", 5,
                    "The policy on detections was changed.", {{"scope", scope}});
  review(parts_.now());
  if (changed_) changed_();
  return {};
}

std::vector<MaintenanceFacts> NodePolicies::maintenance() const {
  std::vector<MaintenanceFacts> out;
  if (!windows_) return out;
  for (const auto& [scope, window] : windows_->windows(parts_.now()))
    out.push_back({scope, window.since.ns, window.until.ns, window.why});
  const Instant now = parts_.now();
  for (const auto& [node_id, node] : parts_.registry.nodes()) {
    if (out.size() >= kWindowsShown) break;
    if (node.window.until > now)
      out.push_back({std::string(kAtNodeScope) + hex_id(node_id), 0, node.window.until.ns, node.window.why});
  }
  return out;
}

bool NodePolicies::lets_node_open(protocol::NodeId node_id) const {
  const protocol::DetectionPolicy policy = meant_for(node_id, parts_.now());
  const auto said = policy.set.find("maintenance.at_node");
  return said == policy.set.end() || !std::holds_alternative<bool>(said->second) ||
         std::get<bool>(said->second);
}

Status NodePolicies::start_maintenance(const std::string& scope, std::uint32_t seconds,
                                       const std::string& why) {
  if (!windows_) return fail(Errc::sealed_unavailable);
  const std::string which = scope.empty() ? std::string(kDomainScope) : scope;
  AKM_TRY(check_scope(which, true));
  if (seconds > policy::kMaintenanceMaxS) return fail(Errc::invalid_argument, "a window lasts at most a day");
  const Instant now = parts_.now();
  AKM_TRY(windows_->open(which, std::chrono::seconds(seconds), why, now));
  if (parts_.announce)
    parts_.announce("maintenance", 4, "A maintenance window is open.",
                    {{"scope", which}, {"seconds", std::to_string(seconds)}, {"why", why}});
  review(now);
  if (changed_) changed_();
  return {};
}

Status NodePolicies::stop_maintenance(const std::string& scope) {
  if (!windows_) return fail(Errc::sealed_unavailable);
  const std::string which = scope.empty() ? std::string(kDomainScope) : scope;
  const Instant now = parts_.now();
  AKM_TRY(windows_->close(which, now));
  if (parts_.announce)
    parts_.announce("maintenance-ended", 5, "A maintenance window was closed.", {{"scope", which}});
  review(now);
  if (changed_) changed_();
  return {};
}

}  // namespace akm::nmm
