#pragma once
// The steps of akmd's start that main.cpp puts in order. What a node can do without becomes a finding.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/io/loop.h"
#include "daemon/node/data_service.h"
#include "daemon/node/drive_watch.h"
#include "daemon/node/node.h"
#include "daemon/service/machine.h"
#include "daemon/service/service_manager.h"
#include "daemon/service/startup.h"
#include "daemon/watch/standard_watches.h"
#include "keyring/key_store.h"

namespace akm::node {

/// Checks the settings, opens the log and runs; the exit status, with the error said on standard error and in
/// the log.
int run_with(const service::Config& config, const Status& hardened, Status (*run)(const NodeSettings&));

/// The kernel keyring; null with a finding when it cannot be had.
std::unique_ptr<keyring::KeyStore> open_keys(const NodeSettings& settings,
                                             std::vector<std::string>& findings);
/// What does not change while the daemon runs.
Node::Facts facts_of(const service::OpenedState& state, const io::Loop& loop, std::string listen);
/// What zeroize and generalize do beyond the records; null without a state.
std::function<service::Erased(bool)> storage_eraser(const NodeSettings& settings, service::OpenedState& state,
                                                    service::AuditTrail& audit);
/// What is sent to a group's address goes where all datagrams go.
std::function<Status(const Endpoint&)> group_joiner(io::Loop& loop, const Endpoint& local,
                                                    io::DatagramHandler receive);
/// Starts this program anew, without a state or with a new one.
void begin_anew();
/// What the start has collected, or collects it now, and says when there is none; not while the TPM is still
/// being waited for.
void look_at_hardware(Hardware& hardware, service::OpenedState& state);
/// In the log.
void say_started(const Node& node);
void say_stopped();
/// "io_uring", or "epoll (why)".
std::string backend_text(const io::Loop& loop);
/// The role's deadlines and probes on the loop.
Status watch_role(io::Loop& loop, Node& node);

/// What notices drives and the machine's state as long as it lives; null where that is switched off or cannot
/// be had.
struct Watching {
  std::unique_ptr<DriveWatch> drives;
  std::unique_ptr<watch::StandardWatches> machine;
};
/// The role first: it restores what the data service opens sockets for. `store`: of the state, or null.
Watching start(Node& node, DataService& data, io::Loop& loop, const NodeSettings& settings,
               service::AsideWorker& worker, store::SealedStore* store);
/// What happens goes to the bus, the state to the service manager too, changed ASRs to the data service.
void observe(Node& node, service::EventLog& events, Observer bus, service::ServiceManager& manager,
             DataService& data);

}  // namespace akm::node
