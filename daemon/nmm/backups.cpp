#include "daemon/nmm/backups.h"

#include <memory>
#include <optional>
#include <utility>

#include "daemon/base/message_ids.h"
#include "daemon/base/wall_time.h"
#include "daemon/nmm/reported.h"
#include "daemon/protocol/one_time_code.h"
#include "dbus/sealed_memfd.h"

namespace akm::nmm {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

Result<BackupContent> open_memfds(const UniqueFd& file, const UniqueFd& secret) {
  AKM_ASSIGN(const SecretBuffer typed, dbus::read_sealed_memfd(secret.get(), kBackupSecretMaxBytes));
  AKM_ASSIGN(const auto bytes, dbus::read_public_memfd(file.get(), kBackupBytes));
  return open_backup(bytes, typed);
}

}  // namespace

Result<BackupContent> Backups::content() {
  AKM_TRY(parts_.may_make());
  AKM_TRY(core_.root.keep(secrets_in_use(core_.registry)));
  // One more is drawn when it is restored.
  if (core_.root.numbers().size() >= protocol::kRootSecrets)
    return fail(Errc::limit_exceeded,
                "nodes hang on " + std::to_string(core_.root.numbers().size() - 1) +
                    " former root secrets: wait until they are heard, or akmctl nmm retire --forget those "
                    "that are gone");
  BackupContent out;
  out.issue.nmm_id = core_.root.nmm_id();
  out.issue.restore = true;
  AKM_ASSIGN(out.issue.secrets, core_.root.read_all());
  out.issue.reported = core_.registry.last_change();
  out.issue.incarnation = parts_.incarnation;
  out.name = core_.settings.name;
  out.made_s = static_cast<std::uint64_t>(std::max<std::int64_t>(wall_time_ns(), 0) / kSecond);
  for (const auto& [node_id, node] : core_.registry.nodes()) out.nodes.push_back(reported(node));
  for (const auto& [asr_id, asr] : core_.registry.asrs()) {
    if (!asr.deleted) out.asrs.push_back(reported(asr));
  }
  out.policies = core_.node_policies.policies();
  return out;
}

void Backups::make(UniqueFd secret, Reply<ControlPort::MadeBackup> reply) {
  auto what = content();
  if (!what) return reply(std::unexpected(what.error()));
  const auto work =
      [content = std::make_shared<BackupContent>(std::move(*what)), cost = core_.settings.scrypt,
       given = std::make_shared<UniqueFd>(std::move(secret))]() -> Result<ControlPort::MadeBackup> {
    SystemRandom random;
    ControlPort::MadeBackup out;
    BackupSecret sealed_by;
    sealed_by.drawn = !*given;
    if (sealed_by.drawn) {
      AKM_ASSIGN(sealed_by.text, protocol::generate_code(random));
      AKM_ASSIGN(const SecretBuffer shown, protocol::format_code(sealed_by.text));
      AKM_ASSIGN(out.secret, dbus::make_sealed_memfd("akm-recovery-secret", shown.reveal()));
    } else {
      AKM_ASSIGN(sealed_by.text, dbus::read_sealed_memfd(given->get(), kBackupSecretMaxBytes));
    }
    AKM_ASSIGN(const auto bytes, seal_backup(*content, sealed_by, random, cost));
    AKM_ASSIGN(out.file, dbus::make_sealed_memfd("akm-nmm-backup", bytes));
    return out;
  };
  service::reply_aside<ControlPort::MadeBackup>(
      core_.run_aside, work, [this, reply = std::move(reply)](Result<ControlPort::MadeBackup> made) mutable {
        if (made)
          core_.announce("backup-made", 5, message_id::kStateChanged, "A backup of this NMM was made.", 0,
                         {});
        reply(std::move(made));
      });
}

void Backups::open(UniqueFd file, UniqueFd secret, Reply<BackupContent> reply) {
  service::reply_aside<BackupContent>(
      core_.run_aside,
      [file = std::move(file), secret = std::move(secret)] { return open_memfds(file, secret); },
      std::move(reply));
}

void Backups::look(UniqueFd file, UniqueFd secret, Reply<ControlPort::BackupFacts> reply) {
  open(std::move(file), std::move(secret), [reply = std::move(reply)](Result<BackupContent> content) mutable {
    if (!content) return reply(std::unexpected(content.error()));
    reply(facts_of(*content));
  });
}

ControlPort::BackupFacts Backups::facts_of(const BackupContent& content) {
  ControlPort::BackupFacts out;
  out.nmm_id = content.issue.nmm_id;
  out.name = content.name;
  out.made_s = content.made_s;
  out.incarnation = content.issue.incarnation;
  for (const protocol::ReportedNode& node : content.nodes)
    out.nodes.push_back({node.id, node.name, std::string(node_state_name(static_cast<NodeState>(node.state))),
                         node.newest.serial});
  for (const protocol::ReportedAsr& asr : content.asrs)
    out.asrs.push_back({asr.id, asr.label, asr.generation, static_cast<std::uint32_t>(asr.roster.size())});
  return out;
}

}  // namespace akm::nmm
