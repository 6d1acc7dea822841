#include "daemon/root/configuration.h"

#include <algorithm>
#include <array>
#include <utility>

#include "daemon/base/endpoint.h"
#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/bundle_drive.h"
#include "daemon/protocol/limits.h"
#include "daemon/service/policy_text.h"

namespace akm::root {
namespace {

using store::ConfigDatabase;
using store::Fields;

constexpr const char* kPolicyField = "policy";
// What the Root's role writes into the record of an NMM (issuer.cpp), or shows in its list of NMMs: there it
// would be a second word.
constexpr std::array<std::string_view, 4> kOwnOfNmm{"name", "endpoints", "serial", "state"};

std::uint64_t policy_named(const Fields& fields) {
  const auto found = fields.find(kPolicyField);
  if (found == fields.end()) return 0;
  const auto id = parse_hex_id(found->second);
  return id ? *id : 0;
}

template <typename Take>
Status each_record(ConfigDatabase& database, store::RecordKind kind, Take take) {
  std::uint64_t after = 0;
  for (;;) {
    AKM_ASSIGN(const auto page, database.list(kind, after));
    for (const store::ConfigRecord& record : page) take(record);
    if (page.size() < store::kPageMax) return {};
    after = page.back().id;
  }
}

Result<PolicyRecords> read_policies(ConfigDatabase& database) {
  PolicyRecords out;
  AKM_TRY(each_record(database, store::RecordKind::policy,
                      [&](const store::ConfigRecord& record) { out.policies[record.id] = record.fields; }));
  AKM_TRY(each_record(database, store::RecordKind::nmm, [&](const store::ConfigRecord& record) {
    if (const std::uint64_t policy = policy_named(record.fields)) out.of_nmm[record.id] = policy;
  }));
  AKM_TRY(each_record(database, store::RecordKind::domain, [&](const store::ConfigRecord& record) {
    out.of_domain = policy_named(record.fields);
  }));
  return out;
}

/// The NMM that a record of a node or a relationship belongs to; 0: none.
std::uint64_t nmm_named(const Fields& fields) {
  const auto found = fields.find("nmm");
  if (found == fields.end()) return 0;
  const auto id = parse_hex_id(found->second);
  return id ? *id : 0;
}

/// What an NMM can do nothing with is left out: records are free text.
std::optional<protocol::ExpectedNode> node_of(const store::ConfigRecord& record) {
  const auto name = record.fields.find("name");
  if (name == record.fields.end() || !nmm::check_node_name(name->second)) return std::nullopt;
  protocol::ExpectedNode out{record.id, name->second, {}};
  const auto listed = record.fields.find("endpoints");
  std::string_view rest = listed == record.fields.end() ? std::string_view() : listed->second;
  while (!rest.empty() && out.endpoints.size() < protocol::limits::kEndpointsPerMember) {
    const std::string one(rest.substr(0, rest.find(',')));
    if (parse_endpoint(one)) out.endpoints.push_back(one);
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
  }
  return out;
}

Result<FleetRecords> read_fleet(ConfigDatabase& database) {
  FleetRecords out;
  AKM_TRY(each_record(database, store::RecordKind::node, [&](const store::ConfigRecord& record) {
    const std::uint64_t nmm_id = nmm_named(record.fields);
    if (nmm_id == 0) return;
    if (auto node = node_of(record)) out.nodes[nmm_id].push_back(std::move(*node));
  }));
  AKM_TRY(each_record(database, store::RecordKind::asr, [&](const store::ConfigRecord& record) {
    const std::uint64_t nmm_id = nmm_named(record.fields);
    const std::uint64_t policy = policy_named(record.fields);
    if (nmm_id != 0 && policy != 0) out.policies[nmm_id][record.id] = policy;
  }));
  return out;
}

Status check_changes(store::RecordKind kind, const Fields& changes) {
  if (kind == store::RecordKind::nmm) {
    for (const std::string_view own : kOwnOfNmm) {
      if (changes.contains(std::string(own))) {
        return fail(Errc::refused_by_policy, std::string(own) + " of an NMM is what the Root itself keeps");
      }
    }
  }
  const auto named = changes.find(kPolicyField);
  if (named != changes.end() && !named->second.empty() && !parse_hex_id(named->second)) {
    return fail(Errc::invalid_argument, "policy: the id of a policy record, 16 hex digits");
  }
  return {};
}

std::size_t bytes_of(const Fields& fields) {
  std::size_t out = 0;
  for (const auto& [name, value] : fields) out += name.size() + value.size();
  return out;
}
std::size_t bytes_of(const store::Change& change) {
  return (change.before ? bytes_of(*change.before) : 0) + (change.after ? bytes_of(*change.after) : 0);
}

// So many of the first rows as one answer holds, and at least one.
template <typename Row, typename Size>
void trim(std::vector<Row>& rows, Size size) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    bytes += size(rows[i]);
    if (bytes <= kAnswerBytes || i == 0) continue;
    rows.resize(i);
    return;
  }
}

Result<std::uint64_t> set_fields(ConfigDatabase& database, store::RecordKind kind, std::uint64_t id,
                                 const Fields& changes, std::optional<std::uint64_t> expected_revision,
                                 const std::string& who) {
  const auto present = database.get(kind, id);
  if (!present && present.error().code != Errc::not_found) return std::unexpected(present.error());
  if (!present && kind == store::RecordKind::nmm) return std::unexpected(present.error());
  Fields fields = present ? present->fields : Fields{};
  for (const auto& [name, value] : changes) {
    if (value.empty()) {
      fields.erase(name);
    } else {
      fields[name] = value;
    }
  }
  if (kind == store::RecordKind::policy) {
    protocol::Policy trial;
    AKM_TRY(service::apply_policy_text(trial, fields));
  }
  const store::Edit edit{kind, id, std::move(fields), expected_revision};
  return database.apply({&edit, 1}, who);
}

}  // namespace

Configuration::Configuration(AskDatabase database, protocol::Policy standard)
    : database_(std::move(database)), standard_(std::move(standard)) {}

Result<Configuration::Known> Configuration::read(ConfigDatabase& database) {
  Known out;
  AKM_ASSIGN(out.policies, read_policies(database));
  AKM_ASSIGN(out.fleet, read_fleet(database));
  return out;
}

void Configuration::take(Known known) {
  // At a start, too: the standard policy may have become another one.
  const bool first = !std::exchange(loaded_, true);
  const bool policies = first || known.policies != records_;
  const bool fleet = policies || known.fleet != fleet_;
  records_ = std::move(known.policies);
  fleet_ = std::move(known.fleet);
  if (policies && changed_) changed_();
  if (fleet && records_changed_) records_changed_();
}

protocol::ConfigureRequest Configuration::of_nmm(std::uint64_t nmm_id) const {
  protocol::ConfigureRequest out;
  if (const auto nodes = fleet_.nodes.find(nmm_id); nodes != fleet_.nodes.end()) out.nodes = nodes->second;
  const auto policies = fleet_.policies.find(nmm_id);
  if (policies == fleet_.policies.end()) return out;
  for (const auto& [asr_id, policy] : policies->second) {
    const auto fields = records_.policies.find(policy);
    if (fields != records_.policies.end()) out.policies.emplace_back(asr_id, fields->second);
  }
  return out;
}

void Configuration::load() {
  if (loaded_ || loading_) return;
  loading_ = true;
  database_([this](Result<ConfigDatabase*> database) -> std::move_only_function<void()> {
    auto read = database ? Configuration::read(**database) : std::unexpected(database.error());
    return [this, read = std::move(read)]() mutable {
      loading_ = false;
      if (read) return take(std::move(*read));
      log::error("The configuration cannot be read: " + read.error().message());
    };
  });
}

protocol::Policy Configuration::policy_of(std::uint64_t nmm_id) const {
  protocol::Policy out = standard_;
  const auto own = records_.of_nmm.find(nmm_id);
  const auto found = records_.policies.find(own != records_.of_nmm.end() ? own->second : records_.of_domain);
  if (found == records_.policies.end()) return out;
  // It was checked when it was set; a field that a newer version knows leaves the standard policy in force.
  const Status applied = service::apply_policy_text(out, found->second);
  if (!applied)
    log::error("Policy " + hex_id(found->first) + " is not applied: " + applied.error().message());
  return out;
}

template <typename T>
void Configuration::ask(Effect effect, Reply<T> reply,
                        std::move_only_function<Result<T>(ConfigDatabase&)> work) {
  database_([this, effect, reply = std::move(reply), work = std::move(work)](
                Result<ConfigDatabase*> database) mutable -> std::move_only_function<void()> {
    Result<T> result = database ? work(**database) : Result<T>(std::unexpected(database.error()));
    std::optional<Known> fresh;
    if (result && effect == Effect::changes) {
      // The change is made: that its effect cannot be read now shows at the next one.
      if (auto known = read(**database)) fresh = std::move(*known);
    }
    return [this, result = std::move(result), reply = std::move(reply), fresh = std::move(fresh)]() mutable {
      if (fresh) take(std::move(*fresh));
      reply(std::move(result));
    };
  });
}

void Configuration::get(Kind kind, std::uint64_t id, Reply<store::ConfigRecord> reply) {
  ask<store::ConfigRecord>(Effect::none, std::move(reply),
                           [=](ConfigDatabase& database) { return database.get(kind, id); });
}

void Configuration::list(Kind kind, std::uint64_t after, Reply<std::vector<store::ConfigRecord>> reply) {
  using Rows = std::vector<store::ConfigRecord>;
  ask<Rows>(Effect::none, std::move(reply), [=](ConfigDatabase& database) {
    Result<Rows> rows = database.list(kind, after, kAnswerRows);
    if (rows) trim(*rows, [](const store::ConfigRecord& row) { return bytes_of(row.fields); });
    return rows;
  });
}

void Configuration::set(Kind kind, std::uint64_t id, Fields changes,
                        std::optional<std::uint64_t> expected_revision, const std::string& who,
                        Reply<std::uint64_t> reply) {
  if (const Status good = check_changes(kind, changes); !good) return reply(std::unexpected(good.error()));
  ask<std::uint64_t>(Effect::changes, std::move(reply),
                     [=, changes = std::move(changes)](ConfigDatabase& database) {
                       return set_fields(database, kind, id, changes, expected_revision, who);
                     });
}

void Configuration::remove(Kind kind, std::uint64_t id, const std::string& who, Reply<std::uint64_t> reply) {
  if (kind == Kind::nmm)
    return reply(fail(Errc::refused_by_policy, "the record of an NMM is the Root's own"));
  ask<std::uint64_t>(Effect::changes, std::move(reply),
                     [=](ConfigDatabase& database) -> Result<std::uint64_t> {
                       AKM_TRY(database.get(kind, id));
                       const store::Edit edit{kind, id, std::nullopt, {}};
                       return database.apply({&edit, 1}, who);
                     });
}

void Configuration::history(std::uint64_t after, Reply<std::vector<store::Change>> reply) {
  using Rows = std::vector<store::Change>;
  ask<Rows>(Effect::none, std::move(reply), [=](ConfigDatabase& database) {
    Result<Rows> rows = database.history(after, kAnswerRows);
    if (rows) trim(*rows, [](const store::Change& row) { return bytes_of(row); });
    return rows;
  });
}

void Configuration::diff(std::uint64_t from, std::uint64_t to,
                         Reply<std::vector<store::FieldDifference>> reply) {
  using Rows = std::vector<store::FieldDifference>;
  ask<Rows>(Effect::none, std::move(reply), [=](ConfigDatabase& database) -> Result<Rows> {
    AKM_ASSIGN(Rows rows, database.diff(from, to));
    std::size_t bytes = 0;
    for (const store::FieldDifference& row : rows) {
      bytes += row.field.size() + (row.before ? row.before->size() : 0) + (row.after ? row.after->size() : 0);
    }
    if (bytes > kAnswerBytes)
      return fail(Errc::too_large, "the difference: compare revisions that are nearer");
    return rows;
  });
}

void Configuration::rollback(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) {
  ask<std::uint64_t>(Effect::changes, std::move(reply), [=](ConfigDatabase& database) {
    return database.rollback(revision, who, [](Kind kind, std::uint64_t) { return kind == Kind::nmm; });
  });
}

void Configuration::prune(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) {
  auto told = [who, revision, reply = std::move(reply)](const Result<std::uint64_t>& rows) mutable {
    if (rows) {
      log::write(log::Level::notice, message_id::kStateChanged,
                 "The history of the configuration was pruned.",
                 {{"AKM_WHO", who},
                  {"AKM_REVISION", std::to_string(revision)},
                  {"AKM_ROWS", std::to_string(*rows)}});
    }
    reply(rows);
  };
  ask<std::uint64_t>(Effect::none, std::move(told),
                     [=](ConfigDatabase& database) { return database.prune(revision, who); });
}

void Configuration::reports(Kind kind, std::uint64_t nmm_id, std::uint64_t after_nmm, std::uint64_t after_id,
                            Reply<std::vector<store::ReportRow>> reply) {
  using Rows = std::vector<store::ReportRow>;
  ask<Rows>(Effect::none, std::move(reply), [=](ConfigDatabase& database) {
    Result<Rows> rows = database.reports(kind, nmm_id, after_nmm, after_id, kAnswerRows);
    if (!rows) return rows;
    for (store::ReportRow& row : *rows) row.fields.erase("entry");  // for a replacement, and not for people
    trim(*rows, [](const store::ReportRow& row) { return bytes_of(row.fields); });
    return rows;
  });
}

void Configuration::incidents(std::uint64_t nmm_id, std::uint64_t after,
                              Reply<std::vector<store::IncidentRow>> reply) {
  using Rows = std::vector<store::IncidentRow>;
  ask<Rows>(Effect::none, std::move(reply), [=](ConfigDatabase& database) {
    Result<Rows> rows = database.incidents(after, kAnswerRows, nmm_id);
    if (rows) trim(*rows, [](const store::IncidentRow& row) { return bytes_of(row.fields); });
    return rows;
  });
}

}  // namespace akm::root
