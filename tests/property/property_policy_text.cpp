// What holds for every text that may stand in a policy file: it is refused with its place, or what anybody
// can cause costs nobody anything under it, at the node and at the NMM.
#include <rapidcheck.h>

#include <algorithm>
#include <string>

#include "daemon/policy/adjudication.h"
#include "daemon/policy/decision.h"
#include "daemon/policy/grading.h"
#include "daemon/service/policy_file.h"
#include "daemon/service/recovery_text.h"

namespace akm::service {
namespace {

using policy::DetectionClass;
using policy::Grade;
using policy::Response;

const Schema& schema() {
  static const Schema all = policy_file_schema();
  return all;
}

std::string any_word() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> out{"enforce", "observe", "evidence", "critical", "evict",
                                 "rekey",   "log",     "",         "x"};
    for (const Response one : policy::kResponses) out.emplace_back(policy::response_name(one));
    for (const DetectionClass one : policy::kDetectionClasses) out.emplace_back(policy::detection_name(one));
    return out;
  }();
  return "\"" + *rc::gen::elementOf(all) + "\"";
}

/// Mostly of the right type, and often a word that has its place elsewhere.
std::string any_value(const Setting& setting) {
  if (*rc::gen::inRange(0, 20) == 0) return any_word();
  if (std::holds_alternative<bool>(setting.standard)) return *rc::gen::arbitrary<bool>() ? "true" : "false";
  if (std::holds_alternative<std::int64_t>(setting.standard))
    return std::to_string(*rc::gen::inRange<std::int64_t>(0, 100));
  if (!setting.choices.empty() && *rc::gen::inRange(0, 4) != 0)
    return "\"" + *rc::gen::elementOf(setting.choices) + "\"";
  if (std::holds_alternative<std::string>(setting.standard)) return any_word();
  std::string out = "[";
  const int words = *rc::gen::inRange(0, 4);
  const bool answers = setting.name.find(".on_") != std::string::npos && *rc::gen::inRange(0, 8) != 0;
  const auto word = [&] {
    if (!answers) return any_word();
    return "\"" + std::string(policy::response_name(*rc::gen::elementOf(policy::kResponses))) + "\"";
  };
  for (int i = 0; i < words; ++i) out += (i == 0 ? "" : ", ") + word();
  return out + "]";
}

/// Keys of the schema, a bias for what anybody can cause, and sometimes a line that is none.
std::string any_text() {
  std::string out;
  for (int left = *rc::gen::inRange(0, 4); left > 0; --left) {
    const Setting& one = *rc::gen::elementOf(schema());
    if (one.name.find("[]") == std::string::npos) out += one.name + " = " + any_value(one) + "\n";
  }
  for (const char* name : {"forged-frames", "network-scan", "clock-jump"}) {
    const auto grade = *rc::gen::element<std::string>("observe", "evidence", "critical");
    const auto answer =
        *rc::gen::element<std::string>("rekey", "report", "zeroize", "revoke-local", "signal", "hook");
    if (*rc::gen::inRange(0, 6) == 0)
      out += "responses." + std::string(name) + ".on_" + grade + " = [\"" + answer + "\"]\n";
  }
  if (*rc::gen::inRange(0, 8) == 0)
    out += "[[combinations]]\nname = \"c\"\nfirst = [" + any_word() + "]\nthen = [" + any_word() + "]\n";
  if (*rc::gen::inRange(0, 10) == 0)
    out += *rc::gen::container<std::string>(rc::gen::inRange(' ', '~')) + "\n";
  return out;
}

bool harmless(Response response) {
  return response == Response::log || response == Response::signal;
}

void what_anybody_can_cause_costs_nobody_anything() {
  const std::string text = any_text();
  const auto config = Config::parse(text, "policy", schema());
  if (!config) {
    RC_ASSERT(config.error().code == Errc::config_invalid);
    RC_ASSERT(config.error().detail.starts_with("policy:"));
    return;
  }
  const auto recovery = recovery_from(*config);
  const auto node = node_policy(*config);
  RC_CLASSIFY(node.has_value() && recovery.has_value(), "accepted");
  for (const DetectionClass one : policy::kDetectionClasses) {
    if (policy::grade_ceiling(one) != Grade::observe) continue;
    if (node) {
      policy::PolicyState state;
      policy::Detection detection;
      detection.detection = one;
      detection.privileged = true;
      for (std::int64_t second = 1; second < 5; ++second) {
        const auto judged = policy::judge(*node, state, detection, Instant{second * 1'000'000'000});
        RC_ASSERT(judged.size() == 1);
        RC_ASSERT(std::ranges::all_of(judged.front().decision.actions, harmless));
      }
    }
    if (recovery) {
      const policy::BreachFacts facts{1, one, Grade::critical};  // a member that says more than it may
      const auto verdicts = policy::decide(facts, {{7, 100}}, *recovery, {}, Instant{1});
      RC_ASSERT(verdicts.front().verdict == policy::Verdict::log);
    }
  }
}

/// What an NMM sends is what it was given.
void a_text_and_its_values_mean_the_same() {
  const auto config = Config::parse(any_text(), "policy", schema());
  if (!config) return;
  const auto again = Config::parse(text_of(config->set_values(), config->set_tables()), "again", schema());
  RC_ASSERT(again.has_value());
  const auto one = node_policy(*config);
  const auto other = node_policy(*again);
  RC_ASSERT(one.has_value() == other.has_value());
  if (one) RC_ASSERT(*one == *other);
}

}  // namespace
}  // namespace akm::service

int main() {
  using namespace akm::service;
  bool good = true;
  good &= rc::check("what anybody can cause costs nobody anything, whatever the text",
                    what_anybody_can_cause_costs_nobody_anything);
  good &= rc::check("a text and its values mean the same", a_text_and_its_values_mean_the_same);
  return good ? 0 : 1;
}
