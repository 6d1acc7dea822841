#include "daemon/node/start.h"

#include <fmt/format.h>
#include <poll.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "daemon/base/loader_environment.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/watch/system_file.h"
#include "keyring/kernel_keyring.h"

namespace akm::node {
namespace {

// A current and a candidate key for each of so many relationships; more need a larger kernel quota.
constexpr std::size_t kKeysWanted = 64;

int failed(const Error& error) {
  fmt::print(stderr, "{}: {}\n", kProgram, error.message());
  return 1;
}

}  // namespace

int run_with(const service::Config& config, const Status& hardened, Status (*run)(const NodeSettings&)) {
  const auto settings = node_settings(config);
  if (!settings) return failed(settings.error());
  if (!hardened) return failed(hardened.error());
  if (const Status opened = log::open(settings->common.log); !opened) return failed(opened.error());
  if (secret_memory() == SecretMemory::unlocked) {
    log::warning("Memory cannot be locked: secrets may reach the swap; raise RLIMIT_MEMLOCK");
  }
  const Status ended = run(*settings);
  if (ended) return 0;
  log::error("akmd ends", {{"AKM_ERROR", ended.error().message()}});
  return failed(ended.error());
}

std::unique_ptr<keyring::KeyStore> open_keys(const NodeSettings& settings,
                                             std::vector<std::string>& findings) {
  auto keys = keyring::KernelKeyring::create(settings.common.keyring_name, kKeysWanted);
  if (keys) return std::move(*keys);
  findings.push_back("No kernel keyring, session keys stay in the process: " + keys.error().message());
  log::error("No kernel keyring", {{"AKM_ERROR", keys.error().message()}});
  return nullptr;
}

Node::Facts facts_of(const service::OpenedState& state, const io::Loop& loop, std::string listen) {
  return {.key_storage = state.key_storage,
          .hardware_protected = state.hardware_protected,
          .io_backend = backend_text(loop),
          .listen = std::move(listen),
          .findings = state.findings};
}

/// On the loop thread, although a TPM or a token may take seconds (no more than kElementPatience of them):
/// there is nothing to keep up meanwhile, since the relationships are erased before and the daemon starts
/// anew after it.
std::function<service::Erased(bool)> storage_eraser(const NodeSettings& settings, service::OpenedState& state,
                                                    service::AuditTrail& audit) {
  if (!state.store) return {};
  return [&settings, &state, &audit](bool mark) {
    audit.end(mark);  // while the key that seals it is there
    return service::erase_state(settings.common, *state.store, mark);
  };
}

std::function<Status(const Endpoint&)> group_joiner(io::Loop& loop, const Endpoint& local,
                                                    io::DatagramHandler receive) {
  return [&loop, local, receive = std::move(receive)](const Endpoint& group) {
    return loop.join_group(group, local, receive);
  };
}

void begin_anew() {
  log::write(log::Level::notice, {}, "The state is erased: the daemon starts anew");
  const Status failed = start_anew();
  // It has no state to go on with: whoever supervises it starts it.
  log::error(failed.error().message());
  (void)::raise(SIGTERM);
}

void look_at_hardware(Hardware& hardware, service::OpenedState& state) {
  // It asks the TPM: not where a start has found that out of order, or still waits for it.
  if (state.later.opening || state.handed_over_failure) return hardware.wait(*state.failure);
  if (state.hardware) (void)hardware.keep(*state.hardware);
  const auto found = hardware.identity();
  if (found) return;
  state.findings.push_back(found.error().message());
  log::warning("No hardware identity yet", {{"AKM_ERROR", found.error().message()}});
}

void say_started(const Node& node) {
  log::write(
      log::Level::notice, message_id::kStarted, "akmd has started",
      {{"AKM_STATE", std::string(node_state_name(node.status().state))}, {"AKM_VERSION", AKM_VERSION}});
}

void say_stopped() {
  log::write(log::Level::notice, message_id::kStopped, "akmd has stopped");
}

std::string backend_text(const io::Loop& loop) {
  if (loop.backend() == io::Backend::io_uring) return "io_uring";
  return loop.backend_reason().empty() ? "epoll" : "epoll (" + loop.backend_reason() + ")";
}

Status watch_role(io::Loop& loop, Node& node) {
  loop.add_deadline(
      [&node]() -> std::optional<Instant> {
        return node.shell() == nullptr ? std::nullopt : node.shell()->next_deadline();
      },
      [&node] {
        if (node.shell() != nullptr) node.shell()->deadline_reached();
      });
  loop.add_deadline([&node] { return node.next_deadline(); }, [&node] { node.deadline_reached(); });
  if (node.sentry().fd() < 0) return {};
  const auto watch =
      loop.watch(node.sentry().fd(), POLLIN, [&node](std::uint32_t) { node.sentry().readable(); });
  if (!watch) return std::unexpected(watch.error());
  return {};
}

namespace {

std::unique_ptr<DriveWatch> watch_drives(Node& node, io::Loop& loop, const NodeSettings& settings) {
  if (!settings.drives_watch) return nullptr;
  auto watch = DriveWatch::create(loop, [&node] { node.drives_changed(); });
  node.offer_bundles([also = settings.drives_also] { return service::look_for_bundles(also); });
  if (watch) return std::move(*watch);
  log::warning("Drives that are plugged in are not noticed", {{"AKM_ERROR", watch.error().message()}});
  return nullptr;
}

bool awaits_credentials(const Node& node) {
  const StatusSnapshot status = node.status();
  return status.state == NodeState::unprovisioned || !status.handover_fingerprint.empty();
}

std::unique_ptr<watch::StandardWatches> watch_machine(Node& node, io::Loop& loop,
                                                      const NodeSettings& settings,
                                                      service::AsideWorker& worker,
                                                      store::SealedStore* store) {
  watch::Own own;
  own.paths = {settings.common.state_folder};
  if (!settings.probes.config_folder.empty()) own.paths.push_back(settings.probes.config_folder);
  if (const auto program = watch::read_link("/proc/self/exe")) {
    own.paths.push_back(*program);
    own.program = *program;
  }
  own.pin_folder = node.sentry().pin_folder();
  own.run_aside = [&worker](keyring::TpmWorker::Job job) { return worker.run(std::move(job)); };
  own.tcti = settings.hardware.tcti;
  own.hardware = [options = settings.hardware] { return keyring::collect_hardware_sources(options); };
  own.provisioning = [&node] { return awaits_credentials(node); };
  own.tiers = [&node] { return node.sentry().health(); };
  return std::make_unique<watch::StandardWatches>(
      settings.watch, std::move(own), store, loop, boottime_now,
      [&node](const policy::Detection& detection) { node.sentry().judge(detection); });
}

}  // namespace

Watching start(Node& node, DataService& data, io::Loop& loop, const NodeSettings& settings,
               service::AsideWorker& worker, store::SealedStore* store) {
  for (const std::string& name : node.consumers().unknown())
    log::warning("[[consumers]] of the configuration names what this machine does not know",
                 {{"AKM_NAME", name}});
  node.start();
  data.start(node.shell());
  Watching out;
  out.drives = watch_drives(node, loop, settings);
  out.machine = watch_machine(node, loop, settings, worker, store);
  return out;
}

void observe(Node& node, service::EventLog& events, Observer bus, service::ServiceManager& manager,
             DataService& data) {
  events.set_observer(bus.event);
  node.set_observer({.status_changed =
                         [&node, &manager, to_bus = std::move(bus.status_changed)] {
                           manager.status(node_state_name(node.status().state));
                           if (to_bus) to_bus();
                         },
                     .asr_changed =
                         [&data, to_bus = std::move(bus.asr_changed)](std::uint64_t asr_id) {
                           data.asr_changed(asr_id);
                           if (to_bus) to_bus(asr_id);
                         },
                     .event = {},
                     .key_changed = std::move(bus.key_changed)});
}

}  // namespace akm::node
