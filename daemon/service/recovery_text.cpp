#include "daemon/service/recovery_text.h"

namespace akm::service {
namespace {

Setting word(const char* name, const char* standard, const char* doc, std::vector<std::string> choices) {
  return {.name = name, .standard = std::string(standard), .doc = doc, .choices = std::move(choices)};
}

Setting number(const char* name, std::int64_t standard, const char* doc, std::int64_t minimum,
               std::int64_t maximum) {
  return {
      .name = name, .standard = standard, .doc = doc, .minimum = minimum, .maximum = maximum, .choices = {}};
}

policy::Verdict verdict(const std::string& name) {
  if (name == "evict") return policy::Verdict::evict;
  return name == "rekey" ? policy::Verdict::rekey : policy::Verdict::log;
}

}  // namespace

Schema recovery_schema() {
  return {
      word("recovery.mode", "enforce", "enforce, or observe: say what would be done.",
           {"observe", "enforce"}),
      word("recovery.on_evidence", "log", "What evidence below critical leads to.", {"log", "rekey"}),
      word("recovery.on_critical", "evict", "What critical evidence leads to.", {"log", "rekey", "evict"}),
      number("recovery.quorum_floor", 2, "No automatic eviction leaves fewer members than this.", 2, 4096),
      Setting{.name = "recovery.never_evict",
              .standard = std::vector<std::string>{},
              .doc = "Names of nodes that are never evicted automatically.",
              .choices = {}},
      number("recovery.evictions_per_window", 4, "Automatic evictions from one relationship in a window.", 1,
             64),
      number("recovery.domain_evictions_per_window", 64,
             "Nodes of all relationships that are evicted automatically in a window.", 1, 64),
      number("recovery.rekeys_per_window", 4, "Automatic new generations of one relationship in a window.", 1,
             64),
      number("recovery.window_s", 600, "Seconds of that window.", 1, 86400),
      word("recovery.undo", "operator",
           "Who takes an evicted node back: the operator, or also a quote of its TPM that an operator asked "
           "for and that shows what it showed before.",
           {"operator", "attestation"}),
  };
}

Result<policy::AdjudicationPolicy> recovery_from(const Config& config) {
  policy::AdjudicationPolicy out;
  out.mode = config.text("recovery.mode") == "observe" ? policy::Mode::observe : policy::Mode::enforce;
  out.on_evidence = verdict(config.text("recovery.on_evidence"));
  out.on_critical = verdict(config.text("recovery.on_critical"));
  out.quorum_floor = static_cast<std::size_t>(config.integer("recovery.quorum_floor"));
  out.evictions_per_window = static_cast<std::uint32_t>(config.integer("recovery.evictions_per_window"));
  out.domain_evictions_per_window =
      static_cast<std::uint32_t>(config.integer("recovery.domain_evictions_per_window"));
  out.rekeys_per_window = static_cast<std::uint32_t>(config.integer("recovery.rekeys_per_window"));
  out.window_s = static_cast<std::uint32_t>(config.integer("recovery.window_s"));
  if (config.text("recovery.undo") == "attestation") out.undo = policy::Undo::attestation;
  AKM_TRY(out.check());
  return out;
}

Values recovery_values(const policy::AdjudicationPolicy& policy) {
  const auto number_of = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  return {
      {"recovery.mode", std::string(policy::mode_name(policy.mode))},
      {"recovery.on_evidence", std::string(policy::verdict_name(policy.on_evidence))},
      {"recovery.on_critical", std::string(policy::verdict_name(policy.on_critical))},
      {"recovery.quorum_floor", number_of(policy.quorum_floor)},
      {"recovery.evictions_per_window", number_of(policy.evictions_per_window)},
      {"recovery.domain_evictions_per_window", number_of(policy.domain_evictions_per_window)},
      {"recovery.rekeys_per_window", number_of(policy.rekeys_per_window)},
      {"recovery.window_s", number_of(policy.window_s)},
      {"recovery.undo", std::string(policy.undo == policy::Undo::attestation ? "attestation" : "operator")}};
}

const std::vector<std::string>& never_evict_names(const Config& config) {
  return config.list("recovery.never_evict");
}

}  // namespace akm::service
