#include "daemon/node/node_settings.h"

#include <algorithm>
#include <utility>

#include "daemon/service/hardware_settings.h"
#include "daemon/service/policy_file.h"
#include "keyring/kernel_keyring.h"
#include "keyring/sealer_factory.h"

namespace akm::node {
namespace {

using service::Config;

constexpr std::int64_t kGateIds = 1024;
constexpr std::size_t kDrivesAlso = 16;

void add_drives(service::Schema& schema) {
  schema.push_back(
      {.name = "drives.watch",
       .standard = true,
       .doc = "While unprovisioned, look at removable drives that are plugged in, read-only, and offer "
              "the bundles on them.",
       .choices = {}});
  schema.push_back(
      {.name = "drives.also",
       .standard = std::vector<std::string>(),
       .doc = "Block devices (/dev/NAME) that count as removable though the kernel does not say so: a "
              "card slot, a virtual drive (which the unit's DeviceAllow= has to name, too).",
       .choices = {}});
}

constexpr std::size_t kDataFolderBytes = 36;  // the paths in it have to fit a socket's address
constexpr std::int64_t kKibibyte = 1024;

void add_data(service::Schema& schema) {
  const DataSettings standard;
  const auto list = [&schema](const char* name, const std::vector<std::string>& value, const char* doc) {
    schema.push_back({.name = name, .standard = value, .doc = doc, .choices = {}});
  };
  schema.push_back(
      {.name = "data.folder",
       .standard = standard.folder,
       .doc = "Folder of the data service's sockets, one for each ASR; empty for no data service.",
       .choices = {}});
  list("data.users", standard.users, "Users whose programs may connect.");
  list("data.groups", standard.groups,
       "Groups whose members may connect; the sockets are given to the first one.");
  schema.push_back({.name = "data.clients",
                    .standard = static_cast<std::int64_t>(standard.clients),
                    .doc = "Connections to one socket at a time.",
                    .minimum = 1,
                    .maximum = 64,
                    .choices = {}});
  schema.push_back({.name = "data.reader_queue_kib",
                    .standard = static_cast<std::int64_t>(standard.reader_queue_bytes) / kKibibyte,
                    .doc = "KiB that wait for a program that does not read; what comes then it does not get.",
                    .minimum = 16,
                    .maximum = 16384,
                    .choices = {}});
}

Result<DataSettings> read_data(const Config& config) {
  DataSettings out;
  out.folder = config.text("data.folder");
  if (!out.folder.empty() && (!out.folder.starts_with('/') || out.folder.size() > kDataFolderBytes)) {
    return std::unexpected(config.invalid("data.folder", "must be an absolute path of at most 36 bytes"));
  }
  out.users = config.list("data.users");
  out.groups = config.list("data.groups");
  out.clients = static_cast<std::size_t>(config.integer("data.clients"));
  out.reader_queue_bytes = static_cast<std::size_t>(config.integer("data.reader_queue_kib") * kKibibyte);
  return out;
}

void add_consumers(service::Schema& schema) {
  const auto text = [&schema](const char* key, const char* doc) {
    schema.push_back(
        {.name = std::string("consumers[].") + key, .standard = std::string(), .doc = doc, .choices = {}});
  };
  text("name", "Name of a key that a local program may have (docs/keys.md): letters, digits, '.', '_', '-'.");
  text("asr", "Label of the relationship, or its id as 16 hex digits.");
  text("user", "User, as a name or number, who may have it.");
  text("executable", "Absolute path of the program that may ask for it.");
  schema.push_back(
      {.name = "consumers[].types",
       .standard = std::vector<std::string>{"user"},
       .doc = "Types of kernel keys that it may have: user, which it can read, and logon, which only "
              "the kernel can.",
       .choices = {}});
  schema.push_back({.name = "consumers[].key_bytes",
                    .standard = std::int64_t{32},
                    .doc = "Length of the key; the same on all members.",
                    .minimum = 16,
                    .maximum = 128,
                    .choices = {}});
}

Result<ConsumerRule> read_consumer(const Config& config) {
  ConsumerRule out{.name = config.text("name"),
                   .asr = config.text("asr"),
                   .user = config.text("user"),
                   .executable = config.text("executable"),
                   .types = config.list("types"),
                   .key_bytes = static_cast<std::size_t>(config.integer("key_bytes"))};
  if (!keyring::is_key_name(out.name))
    return std::unexpected(config.invalid("name", "must be 1 to 64 letters, digits, '.', '_' or '-'"));
  if (out.asr.empty()) return std::unexpected(config.invalid("asr", "must name a relationship"));
  if (out.user.empty()) return std::unexpected(config.invalid("user", "must name a user"));
  if (!out.executable.starts_with('/'))
    return std::unexpected(config.invalid("executable", "must be an absolute path"));
  for (const std::string& type : out.types) {
    if (type != "user" && type != "logon")
      return std::unexpected(config.invalid("types", "must be of user and logon"));
  }
  return out;
}

}  // namespace

service::Schema node_schema() {
  service::Schema schema = service::common_schema(kProgram, kDefaultPort, keyring::kDefaultNvIndex);
  service::add_hardware_settings(schema);
  schema.push_back(
      {.name = "hardware.on_another_machine",
       .standard = std::string("erase"),
       .doc = "When no source is as it was at provisioning: erase the relationships, so that a copy "
              "does not use them, or keep them.",
       .choices = {"erase", "keep"}});
  schema.push_back({.name = "hardware.on_missing_source",
                    .standard = std::string("part"),
                    .doc = "What a source is that was there at provisioning and cannot be read now: a part, "
                           "as a replaced one, "
                           "or a sign of another machine where no source is as it was.",
                    .choices = {"part", "another-machine"}});
  sentry::add_probe_settings(schema, kProgram);
  schema.push_back({.name = "activation.automatic",
                    .standard = true,
                    .doc = "Activate as soon as credentials are there; else akmctl node activate does.",
                    .choices = {}});
  service::add_gate_settings(schema, kGateIds);
  add_drives(schema);
  watch::add_watch_settings(schema);
  add_data(schema);
  add_consumers(schema);
  schema.push_back(
      {.name = "policy.file",
       .standard = std::string(service::kDefaultPolicyPath),
       .doc = "What follows a detection, with drop-ins (akm-policy(5)); where there is no such file "
              "the defaults hold.",
       .choices = {}});
  return schema;
}

Result<NodeSettings> node_settings(const Config& config) {
  NodeSettings out;
  AKM_ASSIGN(out.common, service::common_settings(config, kProgram));
  AKM_ASSIGN(out.hardware, service::hardware_settings(config, out.common));
  out.erase_on_another_machine = config.text("hardware.on_another_machine") == "erase";
  out.missing_source = config.text("hardware.on_missing_source") == "part" ? protocol::MissingSource::part
                                                                           : protocol::MissingSource::other;
  AKM_ASSIGN(out.probes, sentry::probe_settings(config));
  out.gate = service::gate_settings(config);
  out.activate_automatically = config.boolean("activation.automatic");
  out.drives_watch = config.boolean("drives.watch");
  out.drives_also = config.list("drives.also");
  const bool devices =
      std::ranges::all_of(out.drives_also, [](const std::string& one) { return one.starts_with("/dev/"); });
  if (!devices || out.drives_also.size() > kDrivesAlso) {
    return std::unexpected(config.invalid("drives.also", "at most 16 names that begin with /dev/"));
  }
  AKM_ASSIGN(out.data, read_data(config));
  AKM_ASSIGN(out.watch, watch::watch_settings(config));
  out.policy_file = config.text("policy.file");
  if (!out.policy_file.starts_with('/'))
    return std::unexpected(config.invalid("policy.file", "must be an absolute path"));
  AKM_ASSIGN(const Config policy_text, service::load_policy_file(out.policy_file));
  AKM_ASSIGN(out.responses, service::node_policy(policy_text));
  out.policy_words.own = false;
  out.policy_words.set = policy_text.set_values();
  out.policy_words.tables = policy_text.set_tables();
  for (const Config& table : config.tables("consumers")) {
    AKM_ASSIGN(ConsumerRule rule, read_consumer(table));
    out.consumers.push_back(std::move(rule));
  }
  return out;
}

Status check_node_settings(const service::Config& config) {
  AKM_TRY(node_settings(config));
  return {};
}

}  // namespace akm::node
