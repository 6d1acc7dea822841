#include "daemon/nmm/assembly.h"

#include <poll.h>

#include "daemon/base/loader_environment.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/incarnation_base.h"
#include "daemon/sentry/open_probes.h"
#include "daemon/service/machine.h"
#include "daemon/service/prompt_store.h"
#include "daemon/watch/system_file.h"

namespace akm::nmm {
namespace {

constexpr Duration kLeaveAfter = std::chrono::milliseconds(500);

NmmIdentity identity_of(const service::OpenedState& opened, const io::Loop& loop, const Endpoint& listen) {
  NmmIdentity out;
  out.key_storage = opened.key_storage;
  out.hardware_protected = opened.hardware_protected;
  out.incarnation = opened.engine.incarnation;
  out.counted = opened.counted;
  out.io_backend =
      loop.backend() == io::Backend::io_uring ? "io_uring" : "epoll (" + loop.backend_reason() + ")";
  out.listen = format_endpoint(listen);
  out.findings = opened.findings;
  return out;
}

StatusSnapshot unavailable_status(const NmmSettings& own, NmmIdentity identity, const Error& why) {
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

/// A replacement counts on from where the machine before it was (incarnation_base.h).
void count_on(service::OpenedState& opened) {
  if (!opened.store) return;
  const auto base = incarnation_base(*opened.store);
  if (base) {
    opened.engine.incarnation += *base;
    return;
  }
  opened.store.reset();
  opened.failure = base.error();
}

}  // namespace

Assembly::Assembly(const service::Settings& settings, const NmmSettings& own, io::Loop& loop,
                   RandomSource& random)
    : loop_(loop),
      random_(random),
      opened_(service::open_state(settings, random, own.hardware)),
      events_(settings.event_history),
      aside_(loop),
      hooks_(loop),
      hardware_([options = own.hardware] { return keyring::collect_hardware_sources(options); },
                node::tpm_ways(own.hardware.tcti)) {
  if (opened_.hardware) (void)hardware_.keep(*opened_.hardware);
  count_on(opened_);
}

Result<std::unique_ptr<Assembly>> Assembly::make(const service::Settings& settings, NmmSettings own,
                                                 io::Loop& loop, RandomSource& random) {
  std::unique_ptr<Assembly> out(new Assembly(settings, own, loop, random));
  Assembly* self = out.get();
  AKM_ASSIGN(out->socket_, loop.open_udp(settings.listen, [self](auto datagram, const Endpoint& from) {
    if (self->shell_) self->shell_->receive(datagram, from);
  }));
  out->check_hardware(own.hardware);
  NmmIdentity identity = identity_of(out->opened_, loop, loop.local_endpoint(out->socket_));
  if (out->opened_.store && !out->opened_.failure) {
    out->opened_.store = std::make_unique<service::PromptStore>(std::move(out->opened_.store), loop);
    out->audit_ = service::make_audit(settings, out->opened_, out->events_, loop, out->aside_);
    out->assemble(settings, own, std::move(identity));
    out->watch_machine(settings, own);
  } else {
    const Error why = out->opened_.failure ? *out->opened_.failure : Error{Errc::sealed_unavailable, {}};
    log::write(log::Level::critical, message_id::kSealedUnavailable, why.message());
    out->audit_ = service::make_audit(settings, out->opened_, out->events_, loop, out->aside_);
    out->unavailable_ = std::make_unique<Unavailable>(unavailable_status(own, std::move(identity), why), why);
    if (why.code == Errc::hardware_mismatch) {
      out->unavailable_->on_accept([self]() -> Status {
        AKM_TRY(self->own_hardware_->accept());
        self->leave_due_ = boottime_now() + kLeaveAfter;  // the answer goes first
        return {};
      });
      loop.add_deadline([self] { return self->leave_due_; },
                        [self] {
                          self->leave_due_.reset();
                          if (const Status failed = start_anew(); !failed)
                            log::error(failed.error().message());
                        });
    }
  }
  return out;
}

/// On another machine there is no state for this NMM: it says so, and waits for the operator's word.
void Assembly::check_hardware(const keyring::HardwareOptions& options) {
  if (!opened_.store) return;
  own_hardware_.emplace(*opened_.store,
                        [options, kept = opened_.hardware]() -> Result<keyring::HardwareSources> {
                          if (kept) return *kept;
                          return keyring::collect_hardware_sources(options);
                        });
  std::string finding;
  const Status same = own_hardware_->check(finding);
  if (!finding.empty()) opened_.findings.push_back(finding);
  if (!same) opened_.failure = same.error();
}

void Assembly::watch_machine(const service::Settings& settings, const NmmSettings& own) {
  watch::Own self;
  self.paths = {settings.state_folder};
  if (!own.probes.config_folder.empty()) self.paths.push_back(own.probes.config_folder);
  if (const auto program = watch::read_link("/proc/self/exe")) {
    self.paths.push_back(*program);
    self.program = *program;
  }
  self.pin_folder = role_->guard().pin_folder();
  self.run_aside = [this](keyring::TpmWorker::Job job) { return aside_.run(std::move(job)); };
  self.tcti = own.hardware.tcti;
  self.tiers = [this] { return role_->guard().health(); };
  self.hardware = [options = own.hardware] { return keyring::collect_hardware_sources(options); };
  watches_ = std::make_unique<watch::StandardWatches>(
      own.watch, std::move(self), opened_.store.get(), loop_, boottime_now,
      [this](const policy::Detection& detection) { role_->guard().judge(detection); });
}

void Assembly::assemble(const service::Settings& settings, NmmSettings own, NmmIdentity identity) {
  service::Shell::Parts parts{*opened_.store, nullptr, random_,
                              [this](const Endpoint& to, auto frame) { loop_.send(socket_, to, frame); }};
  parts.news = {[this](auto asr_id) { gate_->stored(asr_id); },
                [this](auto asr_id) { gate_->forgotten(asr_id); },
                [this](auto& from) { gate_->authentic(from); }};
  shell_ =
      std::make_unique<service::Shell>(std::move(parts), opened_.engine, [this](service::Report& report) {
        if (role_) role_->report(report);
      });
  gate_.emplace(service::GateKeeper::Parts{
      service::open_gate(own.gate, loop_.local_endpoint(socket_), identity.findings), &shell_->engine(),
      boottime_now, [this](const policy::Detection& one) { role_->guard().judge(one); }});
  const auto findings = shell_->restore();
  identity.findings.insert(identity.findings.end(), findings.begin(), findings.end());
  auto probes = sentry::open_probes(own.probes, settings.state_folder, identity.findings);
  role_ = std::make_unique<Nmm>(
      Core::Parts{*opened_.store, random_, *shell_, events_,
                  [this](keyring::TpmWorker::Job job) { return aside_.run(std::move(job)); }, audit_.get()},
      std::move(own), std::move(identity),
      NmmMachine{&hardware_,
                 [] {
                   log::write(log::Level::notice, {},
                              "The daemon starts anew, to speak for the machine before it");
                   if (const Status failed = start_anew(); !failed) log::error(failed.error().message());
                 },
                 [this](StatusSnapshot& out) { show_gate(out); }, std::move(probes),
                 [this](keyring::TpmWorker::Job job) { return hooks_.run(std::move(job)); }});
  on_loop();
}

void Assembly::on_loop() {
  loop_.add_deadline([this] { return shell_->next_deadline(); }, [this] { shell_->deadline_reached(); });
  loop_.add_deadline([this] { return role_->next_deadline(); }, [this] { role_->deadline_reached(); });
  loop_.add_deadline([this] { return gate_->next_deadline(); }, [this] { gate_->deadline_reached(); });
  MachineGuard& guard = role_->guard();
  if (guard.fd() < 0) return;
  const auto watched = loop_.watch(guard.fd(), POLLIN, [&guard](std::uint32_t) { guard.readable(); });
  if (!watched) log::error("Detections wait for the next check", {{"AKM_ERROR", watched.error().message()}});
}

void Assembly::show_gate(StatusSnapshot& out) const {
  for (std::string& finding : gate_->findings()) out.findings.push_back(std::move(finding));
  out.counters.merge(gate_->counters());
}

ControlPort& Assembly::port() {
  if (role_) return *role_;
  return *unavailable_;
}

Status Assembly::start(Observer observer) {
  if (!role_) return {};
  role_->set_observer(std::move(observer));
  AKM_ASSIGN(const RunningClock::BootId boot, service::read_boot_id());
  AKM_TRY(role_->start(boot, &loop_));
  gate_->start();
  for (const Endpoint& one : role_->node_endpoints()) gate_->vouch(one);
  return {};
}

}  // namespace akm::nmm
