// The calls about backups of an NMM.
#include "dbus/limits.h"
#include "dbus/proxy.h"

namespace akm::dbus {
namespace {

const auto no_arguments = [](Writer&) {};

using Facts = nmm::ControlPort::BackupFacts;

Result<Facts::Node> read_node(Reader& in) {
  Facts::Node out;
  AKM_ASSIGN(out.id, in.u64());
  AKM_ASSIGN(out.name, in.text(limits::kNameBytes));
  AKM_ASSIGN(out.state, in.text(limits::kNameBytes));
  AKM_ASSIGN(out.serial, in.u32());
  return out;
}

Result<Facts::Asr> read_asr(Reader& in) {
  Facts::Asr out;
  AKM_ASSIGN(out.id, in.u64());
  AKM_ASSIGN(out.label, in.text(limits::kNameBytes));
  AKM_ASSIGN(out.generation, in.u32());
  AKM_ASSIGN(out.members, in.u32());
  return out;
}

template <typename Entry>
Status read_list(Reader& in, const char* type, Result<Entry> (*read)(Reader&), std::vector<Entry>& out) {
  AKM_TRY(in.enter('a', (std::string("(") + type + ")").c_str()));
  for (;;) {
    AKM_ASSIGN(const bool more, in.enter('r', type));
    if (!more) break;
    if (out.size() >= limits::kListItems) return fail(Errc::too_large, "a list from the bus");
    AKM_ASSIGN(Entry entry, read(in));
    AKM_TRY(in.exit());
    out.push_back(std::move(entry));
  }
  return in.exit();
}

}  // namespace

Result<nmm::ControlPort::MadeBackup> Proxy::make_backup(const UniqueFd* secret) {
  nmm::ControlPort::MadeBackup made;
  if (secret != nullptr) {
    AKM_TRY(nmm_call_with(
        "MakeBackupUnder", [&](Writer& out) { out.fd(secret->get()); },
        [&](Reader& in) -> Status {
          AKM_ASSIGN(made.file, in.fd());
          return {};
        }));
    return made;
  }
  AKM_TRY(nmm_call_with("MakeBackup", no_arguments, [&](Reader& in) -> Status {
    AKM_ASSIGN(made.file, in.fd());
    AKM_ASSIGN(made.secret, in.fd());
    return {};
  }));
  return made;
}

Result<nmm::ControlPort::BackupFacts> Proxy::open_backup(const UniqueFd& backup, const UniqueFd& secret,
                                                         bool restore) {
  Facts facts;
  const auto opening = [&](Writer& out) { out.fd(backup.get()).fd(secret.get()); };
  const auto read = [&](Reader& in) -> Status {
    AKM_ASSIGN(facts.nmm_id, in.u64());
    AKM_ASSIGN(facts.name, in.text(limits::kNameBytes));
    AKM_ASSIGN(facts.made_s, in.u64());
    AKM_ASSIGN(facts.incarnation, in.u32());
    AKM_TRY(read_list(in, "tssu", read_node, facts.nodes));
    return read_list(in, "tsuu", read_asr, facts.asrs);
  };
  AKM_TRY(nmm_call_with(restore ? "RestoreBackup" : "TestBackup", opening, read));
  return facts;
}

Status Proxy::confirm_asr(std::uint64_t asr_id) {
  return nmm_call("ConfirmAsr", {asr_id});
}

}  // namespace akm::dbus
