#include "daemon/node/node_settings.h"

#include <algorithm>
#include <utility>

#include "daemon/service/hardware_settings.h"
#include "keyring/kernel_keyring.h"
#include "keyring/sealer_factory.h"

namespace akm::node {
namespace {

using policy::ClassPolicy;
using policy::DetectionClass;
using policy::Response;
using service::Config;

std::vector<std::string> names_of(const std::vector<Response>& responses) {
  std::vector<std::string> out;
  out.reserve(responses.size());
  for (const Response response : responses) out.emplace_back(policy::response_name(response));
  return out;
}

std::string table_of(DetectionClass detection) {
  return "responses." + std::string(policy::detection_name(detection)) + ".";
}

void add_responses(service::Schema& schema) {
  const policy::NodePolicy standard = policy::default_node_policy();
  for (const DetectionClass detection : policy::kDetectionClasses) {
    const ClassPolicy& of_class = standard.of(detection);
    const std::string table = table_of(detection);
    schema.push_back({.name = table + "mode",
                      .standard = std::string(policy::mode_name(of_class.mode)),
                      .doc = "Observe says only what would be done.",
                      .choices = {"observe", "enforce"}});
    const auto list = [&](std::string_view key, const std::vector<Response>& value, std::string_view what) {
      schema.push_back(
          {.name = table + std::string(key),
           .standard = names_of(value),
           .doc = "Answer to " + std::string(what) + ": revoke-local, report, rekey, signal, log.",
           .choices = {}});
    };
    list("on_observe", of_class.on_observe, "an observation");
    list("on_evidence", of_class.on_evidence, "evidence");
    list("on_critical", of_class.on_critical, "a critical detection");
    schema.push_back({.name = table + "limit_count",
                      .standard = static_cast<std::int64_t>(of_class.limit.count),
                      .doc = "So many answers, without log and revoke-local, within the window.",
                      .minimum = 1,
                      .maximum = 1000,
                      .choices = {}});
    schema.push_back({.name = table + "limit_window_s",
                      .standard = static_cast<std::int64_t>(of_class.limit.window_s),
                      .doc = "The window, seconds.",
                      .minimum = 1,
                      .maximum = 86400,
                      .choices = {}});
  }
}

Result<std::vector<Response>> read_responses(const Config& config, const std::string& name) {
  std::vector<Response> out;
  for (const std::string& text : config.list(name)) {
    const auto response = policy::response_by_name(text);
    if (!response) return std::unexpected(config.invalid(name, "no such response: " + text));
    out.push_back(*response);
  }
  return out;
}

Result<policy::NodePolicy> read_policy(const Config& config) {
  policy::NodePolicy out;
  for (const DetectionClass detection : policy::kDetectionClasses) {
    const std::string table = table_of(detection);
    ClassPolicy& of_class = out.of(detection);
    const auto mode = policy::mode_by_name(config.text(table + "mode"));
    if (!mode) return std::unexpected(config.invalid(table + "mode", "no such mode"));
    of_class.mode = *mode;
    AKM_ASSIGN(of_class.on_observe, read_responses(config, table + "on_observe"));
    AKM_ASSIGN(of_class.on_evidence, read_responses(config, table + "on_evidence"));
    AKM_ASSIGN(of_class.on_critical, read_responses(config, table + "on_critical"));
    of_class.limit.count = static_cast<std::uint32_t>(config.integer(table + "limit_count"));
    of_class.limit.window_s = static_cast<std::uint32_t>(config.integer(table + "limit_window_s"));
  }
  AKM_TRY(out.check());
  return out;
}

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
              "card slot, a virtual drive.",
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
  schema.push_back(
      {.name = "probes.enabled",
       .standard = true,
       .doc = "Watch keys, process and folders with BPF. Without it nothing is detected locally.",
       .choices = {}});
  schema.push_back({.name = "probes.config_folder",
                    .standard = std::string("/etc/akm"),
                    .doc = "Folder whose changes are evidence; empty for none.",
                    .choices = {}});
  schema.push_back({.name = "probes.check_interval_s",
                    .standard = std::int64_t{5},
                    .doc = "Seconds between heartbeats of the probes.",
                    .minimum = 1,
                    .maximum = 3600,
                    .choices = {}});
  schema.push_back(
      {.name = "probes.pin_folder",
       .standard = std::string(),
       .doc = "Folder on a mounted bpffs, /sys/fs/bpf/akm say, in which the probes outlive the daemon; "
              "empty: they end with it.",
       .choices = {}});
  schema.push_back({.name = "activation.automatic",
                    .standard = true,
                    .doc = "Activate as soon as credentials are there; else akmctl node activate does.",
                    .choices = {}});
  add_drives(schema);
  add_data(schema);
  add_consumers(schema);
  add_responses(schema);
  return schema;
}

Result<NodeSettings> node_settings(const Config& config) {
  NodeSettings out;
  AKM_ASSIGN(out.common, service::common_settings(config, kProgram));
  AKM_ASSIGN(out.hardware, service::hardware_settings(config, out.common));
  out.erase_on_another_machine = config.text("hardware.on_another_machine") == "erase";
  out.probes_enabled = config.boolean("probes.enabled");
  out.probes_config_folder = config.text("probes.config_folder");
  out.probes_pin_folder = config.text("probes.pin_folder");
  out.probes_check_interval_s = static_cast<std::uint32_t>(config.integer("probes.check_interval_s"));
  out.activate_automatically = config.boolean("activation.automatic");
  out.drives_watch = config.boolean("drives.watch");
  out.drives_also = config.list("drives.also");
  const bool devices =
      std::ranges::all_of(out.drives_also, [](const std::string& one) { return one.starts_with("/dev/"); });
  if (!devices || out.drives_also.size() > kDrivesAlso) {
    return std::unexpected(config.invalid("drives.also", "at most 16 names that begin with /dev/"));
  }
  AKM_ASSIGN(out.data, read_data(config));
  AKM_ASSIGN(out.responses, read_policy(config));
  for (const Config& table : config.tables("consumers")) {
    AKM_ASSIGN(ConsumerRule rule, read_consumer(table));
    out.consumers.push_back(std::move(rule));
  }
  return out;
}

}  // namespace akm::node
