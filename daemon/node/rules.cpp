#include "daemon/node/rules.h"

#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/crypto/digest.h"
#include "daemon/service/policy_file.h"

namespace akm::node {
namespace {

constexpr std::string_view kRecord = "detection-policy";
constexpr const char* kNoState = "the state is not open";

/// Of what is not the default, whoever said it; empty where nothing is.
std::string digest_of(const protocol::DetectionPolicy& policy) {
  protocol::DetectionPolicy words;
  words.own = false;
  words.set = policy.set;
  words.tables = policy.tables;
  if (words.set.empty() && words.tables.empty()) return {};
  const auto bytes = words.encode();
  return hex(crypto::sha256({bytes}));
}

}  // namespace

Rules::Rules(Parts parts) : parts_(std::move(parts)), in_force_(parts_.own) {
  if (parts_.store != nullptr) windows_.emplace(*parts_.store, parts_.boot);
}

void Rules::start() {
  if (!windows_) return;
  if (const Status loaded = windows_->load(parts_.now()); !loaded)
    parts_.say({.name = "maintenance-lost", .severity = 4, .fields = {{"error", loaded.error().message()}}},
               "Maintenance windows cannot be read: none is open");
  const auto stored = parts_.store->read(kRecord);
  if (stored) {
    const auto policy = protocol::DetectionPolicy::decode(stored->reveal());
    const Status used = policy ? use(*policy) : std::unexpected(policy.error());
    if (!used)
      parts_.say({.name = "policy-lost", .severity = 3, .fields = {{"error", used.error().message()}}},
                 "The NMM's policy cannot be read: the node's own holds");
  }
  close_what_is_refused();
  windows_changed();
}

const service::MaintenanceWindow* Rules::own_window() const {
  return windows_ ? windows_->window("", parts_.now()) : nullptr;
}

/// The policy may have changed since it was opened.
void Rules::close_what_is_refused() {
  if (in_force_.maintenance.at_node || own_window() == nullptr) return;
  const Status closed = windows_->close("", parts_.now());
  parts_.say({.name = "maintenance-refused",
              .severity = 4,
              .fields = closed ? std::map<std::string, std::string>{}
                               : std::map<std::string, std::string>{{"error", closed.error().message()}}},
             "The policy does not let a maintenance window be opened at this node");
}

/// Takes effect, and is not stored.
Status Rules::use(const protocol::DetectionPolicy& policy) {
  policy::NodePolicy next = parts_.own;
  if (!policy.own) {
    const auto config =
        service::Config::of(policy.set, policy.tables, "the NMM's policy", service::policy_file_schema());
    auto read = config ? service::node_policy(*config) : std::unexpected(config.error());
    if (!read) return fail(Errc::refused_by_policy, read.error().detail);
    next = std::move(*read);
  }
  of_nmm_ = policy;
  in_force_ = std::move(next);
  parts_.use(in_force_);
  return {};
}

Status Rules::take(protocol::BodyView body) {
  if (!windows_) return fail(Errc::sealed_unavailable, kNoState);
  AKM_ASSIGN(const protocol::DetectionPolicy policy, protocol::DetectionPolicy::decode(body));
  const bool news = policy.own != of_nmm_.own || policy.set != of_nmm_.set || policy.tables != of_nmm_.tables;
  if (news) {
    const protocol::DetectionPolicy before = of_nmm_;
    AKM_TRY(use(policy));
    if (const Status stored = parts_.store->write(kRecord, body); !stored) {
      (void)use(before);  // it was in use until now
      return stored;
    }
    parts_.say({.name = "detection-policy",
                .severity = 5,
                .fields = {{"source", policy.own ? "own" : "nmm"}, {"digest", digest_of(policy)}}},
               "The NMM has changed what follows a detection");
  }
  return window_of_nmm(policy);
}

/// Its length counts from now on: the clocks of two machines have nothing in common.
Status Rules::window_of_nmm(const protocol::DetectionPolicy& policy) {
  const std::string scope(kNmmScope);
  const Instant now = parts_.now();
  close_what_is_refused();
  if (policy.maintenance_s == 0) {
    if (windows_->window(scope, now) != nullptr) AKM_TRY(windows_->close(scope, now));
  } else {
    const std::uint32_t seconds = std::min(policy.maintenance_s, in_force_.maintenance.longest_s);
    AKM_TRY(windows_->open(scope, std::chrono::seconds(seconds), policy.why, now));
  }
  windows_changed();
  return {};
}

Status Rules::forget() {
  if (!windows_) return {};
  Status first;
  for (const std::string_view name : {kRecord, service::kMaintenanceRecord}) {
    const Status removed = parts_.store->remove(name);
    if (!removed && removed.error().code != Errc::not_found && first) first = removed;
  }
  windows_.emplace(*parts_.store, parts_.boot);
  (void)use({});  // its own is always good
  windows_changed();
  return first;
}

void Rules::windows_changed() {
  const Instant now = parts_.now();
  std::optional<Instant> until;
  std::string why;
  for (const auto& [scope, window] : windows_->windows(now)) {
    if (until && window.until <= *until) continue;
    until = window.until;
    why = window.why;
  }
  parts_.maintain(until);
  if (until && until != told_until_) {
    parts_.say({.name = "maintenance",
                .severity = 4,
                .fields = {{"until_boottime_ns", std::to_string(until->ns)}, {"why", why}}},
               "A maintenance window is open");
  } else if (!until && told_until_) {
    parts_.say({.name = "maintenance-ended", .severity = 5, .fields = {}}, "No maintenance window is open");
  }
  told_until_ = until;
}

std::optional<Instant> Rules::next_deadline() const {
  if (!windows_ || !told_until_) return std::nullopt;
  // One whose end has come is due at once.
  return windows_->next_end(parts_.now()).value_or(parts_.now());
}

void Rules::deadline_reached() {
  if (told_until_ && windows_->windows(parts_.now()).empty()) windows_changed();
}

Result<std::map<std::string, std::string>> Rules::policy_facts(const std::string& scope) const {
  if (!scope.empty()) return fail(Errc::not_found, "a node has one policy: the scope is empty");
  const protocol::DetectionPolicy& words = of_nmm_.own ? parts_.file : of_nmm_;
  const std::string digest = digest_of(words);
  const char* source = !of_nmm_.own ? "nmm" : digest.empty() ? "default" : "file";
  return std::map<std::string, std::string>{{"source", source}, {"digest", digest}};
}

Status Rules::set_policy_text(const std::string&, const std::string&) {
  return fail(Errc::not_supported, "a node's policy is its file, or its NMM's");
}

std::vector<MaintenanceFacts> Rules::maintenance() const {
  std::vector<MaintenanceFacts> out;
  if (!windows_) return out;
  for (const auto& [scope, window] : windows_->windows(parts_.now()))
    out.push_back({scope, window.since.ns, window.until.ns, window.why});
  return out;
}

Status Rules::start_maintenance(const std::string& scope, std::uint32_t seconds, const std::string& why) {
  if (!windows_) return fail(Errc::sealed_unavailable, kNoState);
  if (!scope.empty()) return fail(Errc::not_found, "at a node the scope is empty");
  if (!in_force_.maintenance.at_node)
    return fail(
        Errc::refused_by_policy,
        "windows of this node are opened at its NMM (maintenance.at_node): akmctl maintenance start --node");
  if (seconds > in_force_.maintenance.longest_s)
    return fail(Errc::invalid_argument, "a window lasts at most " +
                                            std::to_string(in_force_.maintenance.longest_s) +
                                            " s (maintenance.longest_s)");
  AKM_TRY(windows_->open(scope, std::chrono::seconds(seconds), why, parts_.now()));
  windows_changed();
  return {};
}

Status Rules::stop_maintenance(const std::string& scope) {
  if (!windows_) return fail(Errc::sealed_unavailable, kNoState);
  AKM_TRY(windows_->close(scope, parts_.now()));
  windows_changed();
  return {};
}

}  // namespace akm::node
