// akmd: the node service. This file wires; the libraries work.
#include "daemon/node/node.h"
#include "daemon/node/start.h"
#include "daemon/sentry/open_probes.h"
#include "daemon/service/bus_wiring.h"
#include "daemon/service/options.h"
#include "daemon/service/prompt_store.h"
#include "daemon/service/sealing.h"
#include "daemon/service/service_manager.h"
#include "daemon/service/signals.h"
#include "daemon/service/startup.h"
#include "daemon/service/startup_pages.h"
#include "dbus/audit_adaptor.h"
#include "dbus/log_control.h"
#include "dbus/node_adaptor.h"
#include "dbus/policy_adaptor.h"

namespace akm::node {
namespace {

Status run(const NodeSettings& settings) {
  AKM_ASSIGN(const UniqueFd signals, service::block_stop_signals());
  SystemRandom random;
  service::EventLog events(settings.common.event_history);
  service::OpenedState state = service::open_state(settings.common, random, settings.hardware);
  // The session keyring is joined before any thread is made: all threads are to possess the keys.
  std::unique_ptr<keyring::KeyStore> keys = open_keys(settings, state.findings);
  Hardware hardware([&settings] { return keyring::collect_hardware_sources(settings.hardware); },
                    tpm_ways(settings.hardware.tcti));
  look_at_hardware(hardware, state);
  AKM_ASSIGN(const std::unique_ptr<io::Loop> loop, io::Loop::create(settings.common.io_backend));
  if (state.store) state.store = std::make_unique<service::PromptStore>(std::move(state.store), *loop);
  service::AsideWorker worker(*loop);
  const auto audit = service::make_audit(settings.common, state, events, *loop, worker);
  service::AsideWorker hooks(*loop);
  Node* role = nullptr;
  const io::DatagramHandler receive = [&role](std::span<std::uint8_t> datagram, const Endpoint& from) {
    if (role != nullptr && role->shell() != nullptr) role->shell()->receive(datagram, from);
  };
  AKM_ASSIGN(const io::Loop::SocketId socket, loop->open_udp(settings.common.listen, receive));
  DataService data(*loop, socket, settings.data);
  Node node(settings,
            {.store = state.store.get(),
             .failure = state.failure,
             .engine = state.engine,
             .keys = keys.get(),
             .random = random,
             .send = [&loop, socket](const Endpoint& to,
                                     std::span<const std::uint8_t> frame) { loop->send(socket, to, frame); },
             .join_group = group_joiner(*loop, settings.common.listen, receive),
             .events = events,
             .hardware = hardware,
             .probes = sentry::open_probes(settings.probes, settings.common.state_folder, state.findings),
             .gate = service::open_gate(settings.gate, loop->local_endpoint(socket), state.findings),
             .run_aside = [&worker](keyring::TpmWorker::Job job) { return worker.run(std::move(job)); },
             .run_hooks = [&hooks](keyring::TpmWorker::Job job) { return hooks.run(std::move(job)); },
             .machine = service::this_machine(state.engine.incarnation),
             .erase_storage = storage_eraser(settings, state, *audit),
             .begin_anew = begin_anew,
             .data = data.port(),
             .audit = audit.get(),
             .facts = facts_of(state, *loop, format_endpoint(loop->local_endpoint(socket)))});
  role = &node;
  dbus::Bus bus({.address = settings.common.bus_address, .name = dbus::kNodeName});
  dbus::Authorizer authorizer(bus, {settings.common.bus_group, settings.common.use_polkit});
  dbus::NodeAdaptor adaptor(bus, authorizer, node);
  const dbus::AuditAdaptor audits(bus, authorizer, dbus::kNodePath, *audit);
  const dbus::PolicyAdaptor rules(bus, authorizer, dbus::kNodePath, [&node] { return &node.policy_port(); });
  const service::SealingService sealing(*loop, worker, bus, authorizer, dbus::kNodePath, settings.common,
                                        state.failure, state.store.get(), state.later);
  const dbus::LogControl log_control(bus, authorizer);
  service::BusWiring wiring(*loop, bus);
  service::ServiceManager manager(*loop);
  observe(node, events, adaptor.observer(), manager, data);
  AKM_TRY(service::stop_on_signal(*loop, signals));
  AKM_TRY(watch_role(*loop, node));
  const auto watching = start(node, data, *loop, settings, worker, state.store.get());
  AKM_TRY(wiring.start([&] { manager.ready(node_state_name(node.status().state)); }));
  say_started(node);
  service::release_startup_pages();
  const Status ended = loop->run();
  manager.stopping();
  say_stopped();
  return ended;
}

}  // namespace
}  // namespace akm::node

int main(int argc, char** argv) {
  using namespace akm;
  const Status hardened = service::harden(argv);  // before any library is used
  const service::Schema schema = node::node_schema();
  service::Config config(schema);
  const auto answered = service::answer_command_line(argc, argv, node::kProgram, node::kDefaultConfigPath,
                                                     schema, config, node::check_node_settings);
  if (answered) return *answered;
  return node::run_with(config, hardened, node::run);
}
