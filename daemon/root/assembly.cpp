#include "daemon/root/assembly.h"

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/service/machine.h"
#include "daemon/service/prompt_store.h"
#include "daemon/store/postgresql_session.h"
#include "daemon/store/sqlite_session.h"

namespace akm::root {
namespace {

RootIdentity identity_of(const service::OpenedState& opened, const io::Loop& loop, const Endpoint& listen) {
  RootIdentity out;
  out.key_storage = opened.key_storage;
  out.hardware_protected = opened.hardware_protected;
  out.incarnation = opened.engine.incarnation;
  out.io_backend =
      loop.backend() == io::Backend::io_uring ? "io_uring" : "epoll (" + loop.backend_reason() + ")";
  out.listen = format_endpoint(listen);
  out.findings = opened.findings;
  return out;
}

StatusSnapshot unavailable_status(const RootSettings& own, RootIdentity identity, const Error& why) {
  StatusSnapshot out;
  out.state = "sealed-unavailable";
  out.name = own.name;
  out.version = AKM_VERSION;
  out.key_storage = std::move(identity.key_storage);
  out.io_backend = std::move(identity.io_backend);
  out.listen = std::move(identity.listen);
  out.findings = std::move(identity.findings);
  out.findings.push_back(why.message());
  return out;
}

// What the thread of the database opens it with.
struct Opening {
  RootSettings settings;
  SecretBytes<32> key;
  SystemRandom random;

  Result<std::unique_ptr<store::ConfigDatabase>> operator()(const DatabaseThread::Known& known) {
    std::unique_ptr<store::SqlSession> session;
    if (settings.database == DatabaseChoice::postgresql) {
      AKM_ASSIGN(session, store::open_postgresql({.conninfo = settings.database_conninfo,
                                                  .statement_timeout_ms = settings.statement_timeout_ms}));
    } else {
      AKM_ASSIGN(session, store::open_sqlite(settings.database_path));
    }
    return store::ConfigDatabase::open(std::move(session), key, random, known);
  }
};

}  // namespace

Assembly::Assembly(const service::Settings& settings, io::Loop& loop, RandomSource& random)
    : loop_(loop),
      random_(random),
      opened_(service::open_state(settings, random)),
      events_(settings.event_history),
      aside_(loop) {}

Result<std::unique_ptr<Assembly>> Assembly::make(const service::Settings& settings, RootSettings own,
                                                 io::Loop& loop, RandomSource& random) {
  std::unique_ptr<Assembly> out(new Assembly(settings, loop, random));
  Assembly* self = out.get();
  AKM_ASSIGN(out->socket_, loop.open_udp(settings.listen, [self](auto datagram, const Endpoint& from) {
    if (self->shell_) self->shell_->receive(datagram, from);
  }));
  RootIdentity identity = identity_of(out->opened_, loop, loop.local_endpoint(out->socket_));
  Status assembled = out->opened_.failure ? Status(std::unexpected(*out->opened_.failure)) : Status();
  if (out->opened_.store) {
    out->opened_.store = std::make_unique<service::PromptStore>(std::move(out->opened_.store), loop);
    assembled = out->assemble(own, identity);
  }
  if (assembled) return out;
  const Error& why = assembled.error();
  log::write(log::Level::critical, message_id::kSealedUnavailable, why.message());
  out->unavailable_ = std::make_unique<Unavailable>(unavailable_status(own, std::move(identity), why), why);
  return out;
}

Status Assembly::assemble(RootSettings own, RootIdentity identity) {
  const auto opening = std::make_shared<Opening>();
  opening->settings = own;
  AKM_ASSIGN(opening->key, database_key(*opened_.store, random_));
  AKM_ASSIGN(const DatabaseThread::Known known, known_head(*opened_.store));
  database_ = std::make_unique<DatabaseThread>(
      loop_, *opened_.store, [opening](const DatabaseThread::Known& head) { return (*opening)(head); },
      known);
  const auto ask = [this](DatabaseJob job) { database_->run(std::move(job)); };
  configuration_ = std::make_unique<Configuration>(ask, own.policy);
  service::Shell::Parts parts{*opened_.store, nullptr, random_,
                              [this](const Endpoint& to, auto frame) { loop_.send(socket_, to, frame); }};
  shell_ =
      std::make_unique<service::Shell>(std::move(parts), opened_.engine, [this](service::Report& report) {
        if (role_) role_->report(report);
      });
  const auto findings = shell_->restore();
  identity.findings.insert(identity.findings.end(), findings.begin(), findings.end());
  role_ = std::make_unique<Root>(
      Root::Parts{
          .store = *opened_.store,
          .random = random_,
          .shell = *shell_,
          .events = events_,
          .run_aside = [this](keyring::TpmWorker::Job job) { return aside_.run(std::move(job)); },
          .database = ask,
          .policy_of = [this](protocol::NodeId nmm_id) { return configuration_->policy_of(nmm_id); },
          .configuration = configuration_.get(),
          .database_state = [this] { return database_->state(); },
          .configuration_of = [this](protocol::NodeId nmm_id) { return configuration_->of_nmm(nmm_id); }},
      std::move(own), std::move(identity));
  loop_.add_deadline([this] { return shell_->next_deadline(); }, [this] { shell_->deadline_reached(); });
  loop_.add_deadline([this] { return role_->next_deadline(); }, [this] { role_->deadline_reached(); });
  return {};
}

ControlPort& Assembly::port() {
  if (role_) return *role_;
  return *unavailable_;
}

Status Assembly::start(Observer observer) {
  if (!role_) return {};
  database_->on_state_change([this, status_changed = observer.status_changed] {
    if (status_changed) status_changed();
    if (database_->state().failure) return;
    configuration_->load();
    role_->database_reached();
  });
  configuration_->on_change([this] { role_->policy_changed(); });
  configuration_->on_records([this] { role_->records_changed(); });
  role_->set_observer(std::move(observer));
  AKM_ASSIGN(const nmm::RunningClock::BootId boot, service::read_boot_id());
  AKM_TRY(role_->start(boot, &loop_));
  configuration_->load();
  return {};
}

}  // namespace akm::root
