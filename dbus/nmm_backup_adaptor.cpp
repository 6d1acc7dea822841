// org.akm.Nmm1: backups, and what comes after one was restored. The files are no secrets, but may be large:
// they go as memfds, as the secrets do.
#include "dbus/arguments.h"
#include "dbus/limits.h"
#include "dbus/nmm_adaptor.h"

namespace akm::dbus {
namespace {

using Facts = nmm::ControlPort::BackupFacts;
using Made = nmm::ControlPort::MadeBackup;

struct Opening {
  UniqueFd backup;
  UniqueFd secret;
};

Result<Opening> read_opening(Reader& in) {
  Opening out;
  AKM_ASSIGN(out.backup, read_sealed_fd(in, limits::kBackupBytes));
  AKM_ASSIGN(out.secret, read_sealed_fd(in, limits::kCodeBytes));
  return out;
}

Reply<Facts> facts_reply(Call call) {
  return [call = std::move(call)](const Result<Facts>& facts) mutable {
    if (!facts) return call.fail(facts.error());
    call.reply([&](Writer& out) {
      out.u64(facts->nmm_id).text(facts->name).u64(facts->made_s).u32(facts->incarnation);
      out.open('a', "(tssu)");
      for (const Facts::Node& node : facts->nodes)
        out.open('r', "tssu").u64(node.id).text(node.name).text(node.state).u32(node.serial).close();
      out.close();
      out.open('a', "(tsuu)");
      for (const Facts::Asr& asr : facts->asrs)
        out.open('r', "tsuu").u64(asr.id).text(asr.label).u32(asr.generation).u32(asr.members).close();
      out.close();
    });
  };
}

}  // namespace

Result<Action> NmmAdaptor::make_backup(Reader&) {
  return [this](Call call) {
    port_.make_backup({}, [call = std::move(call)](const Result<Made>& made) mutable {
      if (!made) return call.fail(made.error());
      call.reply([&](Writer& out) { out.fd(made->file.get()).fd(made->secret.get()); });
    });
  };
}

Result<Action> NmmAdaptor::make_backup_under(Reader& in) {
  AKM_ASSIGN(UniqueFd secret, read_sealed_fd(in, limits::kCodeBytes));
  return [this, secret = std::move(secret)](Call call) mutable {
    port_.make_backup(std::move(secret), [call = std::move(call)](const Result<Made>& made) mutable {
      if (!made) return call.fail(made.error());
      call.reply([&](Writer& out) { out.fd(made->file.get()); });
    });
  };
}

Result<Action> NmmAdaptor::test_backup(Reader& in) {
  AKM_ASSIGN(Opening what, read_opening(in));
  return [this, what = std::move(what)](Call call) mutable {
    port_.test_backup(std::move(what.backup), std::move(what.secret), facts_reply(std::move(call)));
  };
}

Result<Action> NmmAdaptor::restore_backup(Reader& in) {
  AKM_ASSIGN(Opening what, read_opening(in));
  return [this, what = std::move(what)](Call call) mutable {
    port_.restore_backup(std::move(what.backup), std::move(what.secret), facts_reply(std::move(call)));
  };
}

Result<Action> NmmAdaptor::confirm_asr(Reader& in) {
  AKM_ASSIGN(const std::uint64_t asr_id, read_id(in, "the relationship's id"));
  return [this, asr_id](Call call) { port_.confirm_asr(asr_id, Call::done(std::move(call))); };
}

}  // namespace akm::dbus
