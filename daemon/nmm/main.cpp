// akm-nmmd: wires the NMM to its loop and its bus.
#include <cstdio>
#include <memory>

#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"
#include "daemon/nmm/assembly.h"
#include "daemon/service/bus_wiring.h"
#include "daemon/service/options.h"
#include "daemon/service/sealing.h"
#include "daemon/service/service_manager.h"
#include "daemon/service/signals.h"
#include "daemon/service/startup.h"
#include "daemon/service/startup_pages.h"
#include "dbus/audit_adaptor.h"
#include "dbus/log_control.h"
#include "dbus/nmm_adaptor.h"
#include "dbus/policy_adaptor.h"

namespace {

using namespace akm;

constexpr std::string_view kProgram = "akm-nmmd";

Status serve(const service::Settings& settings, nmm::NmmSettings own) {
  AKM_ASSIGN(const UniqueFd signals, service::block_stop_signals());
  AKM_ASSIGN(const std::unique_ptr<io::Loop> loop, io::Loop::create(settings.io_backend));
  AKM_TRY(service::stop_on_signal(*loop, signals));
  SystemRandom random;
  AKM_ASSIGN(const auto role, nmm::Assembly::make(settings, std::move(own), *loop, random));
  dbus::Bus bus({settings.bus_address, dbus::kNmmName});
  dbus::Authorizer authorizer(bus, {settings.bus_group, settings.use_polkit});
  dbus::NmmAdaptor adaptor(bus, authorizer, role->port());
  const service::SealingService sealing(*loop, role->aside(), bus, authorizer, dbus::kNmmPath, settings,
                                        role->failure(), role->store(), role->later());
  const dbus::AuditAdaptor audit(bus, authorizer, dbus::kNmmPath, role->audit());
  const dbus::PolicyAdaptor policies(bus, authorizer, dbus::kNmmPath,
                                     [&role] { return role->policy_port(); });
  const dbus::LogControl log_control(bus, authorizer);
  service::BusWiring wiring(*loop, bus);
  AKM_TRY(role->start(adaptor.observer()));
  service::ServiceManager manager(*loop);
  AKM_TRY(wiring.start([&manager] { manager.ready("running"); }));
  log::write(log::Level::info, message_id::kStarted, "akm-nmmd " AKM_VERSION " runs.");
  service::release_startup_pages();
  const Status ran = loop->run();
  manager.stopping();
  log::write(log::Level::info, message_id::kStopped, "akm-nmmd ends.");
  return ran;
}

Status meaning(const service::Config& config) {
  AKM_ASSIGN(const auto common, service::common_settings(config, kProgram));
  AKM_TRY(nmm::nmm_settings(config, common));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const Status hardened = service::harden(argv);  // before any library is used
  const service::Schema schema = nmm::nmm_schema();
  service::Config config(schema);
  const auto answered =
      service::answer_command_line(argc, argv, kProgram, "/etc/akm/akm-nmmd.toml", schema, config, meaning);
  if (answered) return *answered;
  const auto common = service::common_settings(config, kProgram);
  auto own = common ? nmm::nmm_settings(config, *common) : std::unexpected(common.error());
  if (!own) {
    std::fprintf(stderr, "%s\n", own.error().message().c_str());
    return 2;
  }
  Status done = hardened;
  if (done) done = log::open(common->log);
  if (done) done = serve(*common, std::move(*own));
  if (done) return service::end_or_start_anew();
  std::fprintf(stderr, "%s\n", done.error().message().c_str());
  log::error(done.error().message());
  return 1;
}
