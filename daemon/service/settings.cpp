#include "daemon/service/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <utility>

#include "daemon/protocol/limits.h"
#include "keyring/sealed_blob.h"
#include "keyring/sealer_factory.h"
#include "keyring/token_uri.h"

namespace akm::service {
namespace {

constexpr std::array<std::string_view, 8> kLevels{"emergency", "alert",  "critical", "error",
                                                  "warning",   "notice", "info",     "debug"};

Setting text_setting(std::string name, std::string standard, std::string doc,
                     std::vector<std::string> choices = {}) {
  return Setting{.name = std::move(name),
                 .standard = std::move(standard),
                 .doc = std::move(doc),
                 .choices = std::move(choices)};
}

Setting flag_setting(std::string name, bool standard, std::string doc) {
  return Setting{.name = std::move(name), .standard = standard, .doc = std::move(doc), .choices = {}};
}

log::Options log_options(const Config& config, std::string_view program) {
  log::Options out;
  const std::string& target = config.text("log.target");
  if (target == "journal") out.target = log::Options::Target::journal;
  if (target == "text") out.target = log::Options::Target::text;
  out.file = config.text("log.file");
  out.journal_socket = config.text("log.journal_socket");
  out.identifier = program;
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == config.text("log.level")) out.level = static_cast<log::Level>(i);
  }
  return out;
}

Status read_token(const Config& config, Settings& out) {
  out.token_uri = config.text("sealing.token");
  out.pin_file = config.text("sealing.pin_file");
  out.pkcs11_module = config.text("pkcs11.module");
  if (!out.pkcs11_module.empty() && !out.pkcs11_module.starts_with('/')) {
    return std::unexpected(config.invalid("pkcs11.module", "must be an absolute path"));
  }
  if (!out.pin_file.empty() && !out.pin_file.starts_with('/')) {
    return std::unexpected(config.invalid("sealing.pin_file", "must be an absolute path"));
  }
  if (out.sealing != SealingChoice::token) return {};
  const auto uri = keyring::TokenUri::parse(out.token_uri);
  if (!uri) return std::unexpected(config.invalid("sealing.token", uri.error().detail));
  return {};
}

/// docs/audit.md.
void add_audit_settings(Schema& schema) {
  schema.push_back({.name = "audit.file_kib",
                    .standard = std::int64_t{1024},
                    .doc = "Size at which a file of the audit log is followed by the next, in KiB.",
                    .minimum = 64,
                    .maximum = 65536,
                    .choices = {}});
  schema.push_back({.name = "audit.files",
                    .standard = std::int64_t{8},
                    .doc = "How many files of the audit log are kept.",
                    .minimum = 2,
                    .maximum = 256,
                    .choices = {}});
  schema.push_back(
      {.name = "audit.seal_s",
       .standard = std::int64_t{60},
       .doc = "A record of the audit log is sealed so many seconds after it was written at the latest; a "
              "critical one after one second.",
       .minimum = 1,
       .maximum = 3600,
       .choices = {}});
}

}  // namespace

Schema common_schema(std::string_view program, std::uint16_t port, std::uint32_t nv_index) {
  const std::string name(program);
  const std::vector<std::string> levels(kLevels.begin(), kLevels.end());
  Schema out = {
      text_setting("state.folder", "/var/lib/" + name, "Folder of the sealed state; made with mode 0700."),
      text_setting(
          "sealing.mode", "automatic",
          "What seals the storage key. Automatic takes the TPM, and software only where there is none.",
          {"automatic", "tpm", "software", "token"}),
      flag_setting(
          "sealing.allow_software", true,
          "False forbids sealing in software: without a secure element the daemon then opens no state."),
      text_setting("sealing.tcti", keyring::kDefaultTcti, "TCTI string of the TPM, as in tpm2-tss."),
      Setting{.name = "sealing.pcrs",
              .standard = std::vector<std::string>{},
              .doc =
                  "PCRs of the SHA-256 bank that the storage key is to be sealed to, as in [\"7\", \"11\"]. "
                  "Takes "
                  "effect with akmctl node reseal, or akmctl nmm reseal, which asks for the recovery secret.",
              .choices = {}},
      text_setting("sealing.policy_key", "",
                   "PEM file with the public key (ECDSA P-256) that may sign further values of these PCRs."),
      Setting{.name = "sealing.nv_index",
              .standard = static_cast<std::int64_t>(nv_index),
              .doc = "TPM NV index of the start counter: one for each daemon that shares a TPM.",
              .minimum = 0x01000000,
              .maximum = 0x01ffffff,
              .choices = {}},
      text_setting("sealing.token", "",
                   "For the mode token: which one, as a URI (RFC 7512), pkcs11:token=NAME;serial=..."),
      text_setting("sealing.pin_file", "",
                   "File with that token's PIN; empty is the systemd credential token-pin."),
      text_setting("pkcs11.module", "",
                   "PKCS#11 module for all tokens, an absolute path; empty is what p11-kit has registered."),
      text_setting("keyring.name", name, "Name of the kernel keyring with the session keys."),
      text_setting("network.listen", "0.0.0.0:" + std::to_string(port), "UDP address and port to listen on."),
      text_setting("network.io_backend", "automatic",
                   "Automatic takes io_uring where the kernel allows it, and epoll elsewhere.",
                   {"automatic", "io_uring", "epoll"}),
      text_setting("bus.address", "system", "D-Bus to be reached on: system, session or unix:path=..."),
      text_setting("bus.group", "akm", "Members of this group may call methods where there is no polkit."),
      flag_setting("bus.polkit", true, "Ask polkit, where it is there, before a method acts."),
      text_setting(
          "log.target", "automatic",
          "Journal, or lines of text; automatic is the journal where it is there and no file is named.",
          {"automatic", "journal", "text"}),
      text_setting("log.file", "", "File for lines of text; empty is standard error."),
      text_setting("log.journal_socket", log::Options{}.journal_socket,
                   "Socket of the journal's native protocol."),
      text_setting("log.level", "info", "What is less severe is not written.", levels),
      Setting{.name = "events.history",
              .standard = std::int64_t{256},
              .doc = "How many events are kept in memory.",
              .minimum = 1,
              .maximum = 65536,
              .choices = {}},
      Setting{
          .name = "scheduling.realtime_priority",
          .standard = std::int64_t{1},
          .doc = "SCHED_RR priority of the daemon, so that no busy program holds up a revocation; 0 is none.",
          .minimum = 0,
          .maximum = 99,
          .choices = {}},
  };
  add_audit_settings(out);
  return out;
}

Result<Settings> common_settings(const Config& config, std::string_view program) {
  Settings out;
  out.state_folder = config.text("state.folder");
  if (!out.state_folder.starts_with('/')) {
    return std::unexpected(config.invalid("state.folder", "must be an absolute path"));
  }
  const std::string& mode = config.text("sealing.mode");
  if (mode == "tpm") out.sealing = SealingChoice::tpm;
  if (mode == "software") out.sealing = SealingChoice::software;
  if (mode == "token") out.sealing = SealingChoice::token;
  AKM_TRY(read_token(config, out));
  out.allow_software = config.boolean("sealing.allow_software");
  if (out.sealing == SealingChoice::software && !out.allow_software) {
    return std::unexpected(config.invalid("sealing.mode", "software is forbidden by sealing.allow_software"));
  }
  out.tcti = config.text("sealing.tcti");
  for (const std::string& text : config.list("sealing.pcrs")) {
    std::uint32_t pcr = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pcr);
    if (error != std::errc() || end != text.data() + text.size() || pcr >= keyring::kPcrCount) {
      return std::unexpected(config.invalid("sealing.pcrs", "is a list of numbers from 0 to 23, as texts"));
    }
    out.pcrs.push_back(pcr);
  }
  out.policy_key = config.text("sealing.policy_key");
  out.nv_index = static_cast<std::uint32_t>(config.integer("sealing.nv_index"));
  out.keyring_name = config.text("keyring.name");
  const auto listen = parse_endpoint(config.text("network.listen"));
  if (!listen) {
    return std::unexpected(
        config.invalid("network.listen", "must be an address and a port, as 192.0.2.1:7400"));
  }
  out.listen = *listen;
  const std::string& backend = config.text("network.io_backend");
  if (backend == "io_uring") out.io_backend = io::BackendChoice::io_uring;
  if (backend == "epoll") out.io_backend = io::BackendChoice::epoll;
  out.bus_address = config.text("bus.address");
  out.bus_group = config.text("bus.group");
  out.use_polkit = config.boolean("bus.polkit");
  out.log = log_options(config, program);
  out.audit_file_bytes = static_cast<std::size_t>(config.integer("audit.file_kib")) * 1024;
  out.audit_files = static_cast<std::size_t>(config.integer("audit.files"));
  out.audit_seal_s = static_cast<std::uint32_t>(config.integer("audit.seal_s"));
  out.realtime_priority = static_cast<int>(config.integer("scheduling.realtime_priority"));
  out.event_history = static_cast<std::size_t>(config.integer("events.history"));
  return out;
}

Result<std::vector<std::string>> advertised_endpoints(const Config& config, const Settings& common) {
  std::vector<std::string> out = config.list("network.advertise");
  if (out.empty()) {
    const auto zero = [](std::uint8_t byte) { return byte == 0; };
    const bool anywhere = std::ranges::all_of(common.listen.address, zero);
    const bool anywhere4 =
        common.listen.is_ipv4() && std::ranges::all_of(std::span(common.listen.address).last(4), zero);
    if (!anywhere && !anywhere4) out.push_back(format_endpoint(common.listen));
  }
  if (out.size() > protocol::limits::kEndpointsPerMember) {
    return std::unexpected(config.invalid("network.advertise", "at most 4"));
  }
  for (std::string& text : out) {
    const auto endpoint = parse_endpoint(text);
    if (!endpoint)
      return std::unexpected(config.invalid("network.advertise", "\"" + text + "\" is no address:port"));
    text = format_endpoint(*endpoint);
  }
  return out;
}

}  // namespace akm::service
