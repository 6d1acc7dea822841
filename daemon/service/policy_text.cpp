#include "daemon/service/policy_text.h"

#include <charconv>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "daemon/protocol/asr_codec.h"

namespace akm::service {
namespace {

using protocol::Policy;

/// One field of section 8. Numbers carry bounds that keep the timers sane; the others list their words, whose
/// position is their number.
struct Field {
  std::string_view name;
  std::string_view doc;
  std::int64_t minimum;
  std::int64_t maximum;
  std::vector<std::string> words;
  std::int64_t (*get)(const Policy&);
  void (*set)(Policy&, std::int64_t);
};

#define AKM_POLICY_NUMBER(field, minimum, maximum, doc)                                                    \
  Field {                                                                                                  \
    #field, doc, minimum, maximum, {}, [](const Policy& p) { return static_cast<std::int64_t>(p.field); }, \
        [](Policy& p, std::int64_t v) { p.field = static_cast<decltype(p.field)>(v); }                     \
  }
#define AKM_POLICY_WORD(field, doc, ...)                                                                  \
  Field {                                                                                                 \
    #field, doc, 0, 0, {__VA_ARGS__}, [](const Policy& p) { return static_cast<std::int64_t>(p.field); }, \
        [](Policy& p, std::int64_t v) { p.field = static_cast<decltype(p.field)>(v); }                    \
  }

constexpr std::string_view kGroup = "multicast_group";  // the one field that is a text
constexpr std::int64_t kYear = 365LL * 86400;
constexpr std::int64_t kTenMinutesMs = 600'000;

const std::vector<Field>& fields() {
  static const std::vector<Field> table{
      AKM_POLICY_NUMBER(rekey_interval_s, 1, kYear,
                        "Seconds between session keys, less up to a tenth of jitter."),
      AKM_POLICY_NUMBER(rekey_after_frames, 16, std::int64_t{1} << 31,
                        "Frames under one key before the next one."),
      AKM_POLICY_NUMBER(renew_interval_s, 1, kYear, "Seconds between fresh generations from the NMM."),
      AKM_POLICY_NUMBER(nnrt_ms, 50, kTenMinutesMs, "Node non-response timeout."),
      AKM_POLICY_NUMBER(nset_ms, 100, kTenMinutesMs, "Time for an establishment on the normal chain."),
      AKM_POLICY_NUMBER(fbset_ms, 100, kTenMinutesMs, "Time for an establishment on the fallback chain."),
      AKM_POLICY_NUMBER(fsset_ms, 100, kTenMinutesMs, "Time for an establishment on the failsafe chain."),
      AKM_POLICY_NUMBER(grace_ms, 0, kTenMinutesMs, "How long an old key still receives after a commit."),
      AKM_POLICY_WORD(quorum, "Who must take part in an establishment.", "all", "majority"),
      AKM_POLICY_WORD(topology, "Who sends to whom; auto is a star above 16 members.", "auto", "mesh", "star",
                      "multicast"),
      AKM_POLICY_NUMBER(resync_min_interval_s, 1, 86400, "Least seconds between two re-roots."),
      AKM_POLICY_NUMBER(install_deadline_s, 1, 3600, "How long the NMM waits for all members to install."),
      AKM_POLICY_NUMBER(control_deadline_s, 1, 3600, "How long a control request is repeated."),
      AKM_POLICY_WORD(rotate_provisioning_after_install, "Rekey the provisioning ASR after each install.",
                      "false", "true"),
      AKM_POLICY_NUMBER(heartbeat_interval_s, 1, 3600, "Seconds between a node's heartbeats."),
      AKM_POLICY_WORD(attestation, "Whether a node activates only with a quote of its TPM.", "none",
                      "required"),
  };
  return table;
}

#undef AKM_POLICY_NUMBER
#undef AKM_POLICY_WORD

const Field* find(std::string_view name) {
  for (const Field& field : fields()) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

std::optional<std::int64_t> parse(const Field& field, std::string_view value) {
  for (std::size_t i = 0; i < field.words.size(); ++i) {
    if (field.words[i] == value) return static_cast<std::int64_t>(i);
  }
  if (!field.words.empty()) return std::nullopt;
  std::int64_t number = 0;
  const char* const begin = value.data();
  const char* const end = begin + value.size();
  const auto [rest, error] = std::from_chars(begin, end, number);
  if (error != std::errc{} || rest != end || number < field.minimum || number > field.maximum)
    return std::nullopt;
  return number;
}

std::string show(const Field& field, std::int64_t value) {
  const auto at = static_cast<std::size_t>(value);
  return field.words.empty() ? std::to_string(value) : at < field.words.size() ? field.words[at] : "?";
}

}  // namespace

std::map<std::string, std::string> policy_to_text(const Policy& policy) {
  std::map<std::string, std::string> out;
  if (!policy.multicast_group.empty()) out.emplace(kGroup, policy.multicast_group);
  for (const Field& field : fields()) out.emplace(field.name, show(field, field.get(policy)));
  return out;
}

Status set_policy_field(Policy& policy, std::string_view name, std::string_view value) {
  if (name == kGroup) {
    policy.multicast_group = value;  // check_policy looks at it together with the topology
    return {};
  }
  const Field* field = find(name);
  if (field == nullptr) return fail(Errc::invalid_argument, "no such policy field: " + std::string(name));
  const auto number = parse(*field, value);
  if (!number) {
    return fail(Errc::invalid_argument,
                "policy field " + std::string(name) + " has a value that is not allowed");
  }
  field->set(policy, *number);
  return {};
}

Status apply_policy_text(Policy& policy, const std::map<std::string, std::string>& values) {
  Policy changed = policy;
  for (const auto& [name, value] : values) AKM_TRY(set_policy_field(changed, name, value));
  AKM_TRY(protocol::check_policy(changed));
  policy = changed;
  return {};
}

Schema policy_schema() {
  Schema out;
  const Policy standard;
  Setting group;
  group.name = "policy." + std::string(kGroup);
  group.doc = "Group address of topology multicast, such as 239.192.0.1:7400.";
  group.standard = std::string();
  out.push_back(std::move(group));
  for (const Field& field : fields()) {
    Setting setting;
    setting.name = "policy." + std::string(field.name);
    setting.doc = field.doc;
    const std::int64_t value = field.get(standard);
    if (field.words.empty()) {
      setting.standard = value;
      setting.minimum = field.minimum;
      setting.maximum = field.maximum;
    } else if (field.words.front() == "false") {
      setting.standard = value != 0;
    } else {
      setting.standard = show(field, value);
      setting.choices = field.words;
    }
    out.push_back(std::move(setting));
  }
  return out;
}

Policy policy_from(const Config& config) {
  Policy out;
  out.multicast_group = config.text("policy." + std::string(kGroup));
  for (const Field& field : fields()) {
    const std::string name = "policy." + std::string(field.name);
    if (field.words.empty()) {
      field.set(out, config.integer(name));
    } else if (field.words.front() == "false") {
      field.set(out, config.boolean(name) ? 1 : 0);
    } else if (const auto value =
                   parse(field, config.text(name))) {  // a choice of the schema: always one of the words
      field.set(out, *value);
    }
  }
  return out;
}

}  // namespace akm::service
