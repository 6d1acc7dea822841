#pragma once
// Blocking client of both services, for akmctl only: a daemon never waits for a reply (see RemoteNode).
#include <poll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/audit_port.h"
#include "daemon/base/control_types.h"
#include "daemon/base/instant.h"
#include "daemon/base/policy_port.h"
#include "daemon/base/sealing_port.h"
#include "daemon/base/unique_fd.h"
#include "daemon/nmm/control_port.h"
#include "daemon/node/control_port.h"
#include "dbus/message.h"

struct sd_bus;

namespace akm::dbus {

enum class Service : std::uint8_t { node, nmm, root };
/// "org.akm.Node1", "org.akm.Nmm1" or "org.akm.Root1".
const char* service_name(Service service);
/// "/org/akm/Node1", "/org/akm/Nmm1" or "/org/akm/Root1".
std::string root_of(Service service);

class Proxy {
 public:
  using HardwareIdentity = node::ControlPort::HardwareIdentity;
  using Prepare = nmm::ControlPort::Prepare;
  using Prepared = nmm::ControlPort::Prepared;

  /// `timeout`: of each call. Errors: unreachable, not_authorized (the socket), timed_out, invalid_argument
  /// (address).
  static Result<Proxy> connect(const std::string& address, Duration timeout);
  /// The system bus of another machine over ssh, as `systemctl --host` reaches it: [USER@]HOST[:PORT]. ssh is
  /// run by this process and asks at the terminal what it has to ask.
  static Result<Proxy> connect_host(const std::string& host, Duration timeout);
  Proxy(Proxy&& other) noexcept : bus_(std::exchange(other.bus_, nullptr)), timeout_(other.timeout_) {}
  Proxy& operator=(Proxy&&) = delete;
  ~Proxy();

  /// True when somebody owns the service's name on this bus.
  Result<bool> is_there(Service service);
  Result<node::StatusSnapshot> node_status();
  Result<nmm::StatusSnapshot> nmm_status();
  /// By id.
  Result<std::vector<AsrSnapshot>> asrs(Service service);
  Status rekey(Service service, std::uint64_t asr_id);
  Result<std::int32_t> export_key(const node::ControlPort::KeyExport& what);
  Status release_key(std::uint64_t asr_id, std::int32_t serial);

  Result<HardwareIdentity> hardware_identity(Service service = Service::node);
  using TpmIdentity = node::ControlPort::TpmIdentity;
  Result<TpmIdentity> tpm_identity(Service service = Service::node);
  Status provision_from_tpm(const std::string& path, const std::vector<std::uint8_t>& digest,
                            Service service = Service::node);
  Status provision_from_file(const std::string& path, const UniqueFd& code, Service service = Service::node);
  Status provision_from_token(const std::string& uri, const UniqueFd& pin, Service service = Service::node);
  Status activate();
  Result<std::string> zeroize();
  Status rehome();
  Status generalize();
  Result<node::ControlPort::Offer> offer_handover();

  // audit_proxy.cpp: org.akm.Audit1 of either service. Pages; an empty one is the end.
  Result<AuditVerdict> verify_audit(Service service);
  Result<std::vector<AuditRecord>> audit_records(Service service, std::uint64_t after,
                                                 std::uint64_t incident);
  Result<std::vector<IncidentSummary>> audit_incidents(Service service, std::uint64_t after);
  Result<std::vector<std::uint64_t>> check_audit_seals(Service service, const std::vector<AuditSeal>& seals);

  // sealing_proxy.cpp: org.akm.Sealing1 of either service.
  Result<PcrFacts> pcrs(Service service);
  Result<PcrPrediction> predict_pcrs(Service service, const PcrChanges& changes);
  Status authorize_pcrs(Service service, const PcrChanges& changes,
                        const std::vector<std::uint8_t>& signature);
  /// `recover`: opened by this secret, and not by the PCRs.
  Status reseal(Service service, const UniqueFd& secret, bool recover);

  // policy_proxy.cpp: org.akm.Policy1 of either service.
  Result<std::map<std::string, std::string>> policy_facts(Service service, const std::string& scope);
  Status set_policy_text(Service service, const std::string& scope, const std::string& text);
  Result<std::vector<MaintenanceFacts>> maintenance(Service service);
  Status start_maintenance(Service service, const std::string& scope, std::uint32_t seconds,
                           const std::string& why);
  Status stop_maintenance(Service service, const std::string& scope);

  Status create_root_secret();
  Result<Prepared> prepare_bundle(const Prepare& what, const std::string& place, bool force);
  Result<std::vector<nmm::DriveSnapshot>> drives();
  using PreparedOnToken = nmm::ControlPort::PreparedOnToken;
  Result<PreparedOnToken> prepare_token(const Prepare& what, const std::string& uri, const UniqueFd& pin);
  Result<std::uint64_t> provision_direct(const Prepare& what, const std::string& bus_address);
  Result<nmm::ControlPort::DirectOffer> begin_direct(const Prepare& what, const std::string& bus_address);
  Result<std::uint64_t> confirm_direct(std::uint64_t handle, const std::string& fingerprint);
  Result<std::vector<std::pair<std::string, std::string>>> describe_node(std::uint64_t node_id);
  Status reprovision(std::uint64_t node_id);
  Status rehome_node(std::uint64_t node_id, const std::vector<std::uint8_t>& hardware_value);
  Status retire_node(std::uint64_t node_id, bool forget);
  Status accept_hardware();
  /// Under `secret`; null: under one that is drawn and comes with it.
  Result<nmm::ControlPort::MadeBackup> make_backup(const UniqueFd* secret);
  Result<nmm::ControlPort::BackupFacts> open_backup(const UniqueFd& backup, const UniqueFd& secret,
                                                    bool restore);
  Status confirm_asr(std::uint64_t asr_id);
  Result<std::vector<nmm::NodeSnapshot>> nodes();
  Result<std::uint64_t> create_asr(const std::string& label, const std::vector<std::uint64_t>& node_ids,
                                   const std::map<std::string, std::string>& policy);
  Status add_member(std::uint64_t asr_id, std::uint64_t node_id);
  Status remove_member(std::uint64_t asr_id, std::uint64_t node_id);
  Status set_policy(std::uint64_t asr_id, const std::map<std::string, std::string>& policy);
  /// Digests as hex digits.
  struct Attested {
    std::string outcome, pcr_digest, log_digest;
  };
  Result<Attested> attest(std::uint64_t node_id, bool accept);
  using PrepareForTpm = nmm::ControlPort::PrepareForTpm;
  /// As PreparedForTpm, the digest as hex digits.
  struct PreparedForTpm {
    std::uint64_t node_id = 0;
    std::string path, fingerprint, digest;
    bool certified = false;
    std::string certificate, pcr_digest;
  };
  Result<PreparedForTpm> prepare_for_tpm(const PrepareForTpm& what);
  Status set_golden_pcrs(std::uint64_t node_id, const std::vector<std::uint8_t>& pcr_digest);
  Status delete_asr(std::uint64_t asr_id);
  Status quarantine(std::uint64_t node_id);
  Status readmit(std::uint64_t node_id);

  /// Hands over events of both services as they come, until the handler returns false or the bus closes
  /// (unreachable). `ready` is called once, when nothing can be missed any more.
  using EventHandler = std::function<bool(Service service, const EventRecord& event)>;
  /// `wait`: for who waits for other things too: is called where there is nothing to do, polls the bus's
  /// descriptor for its events, and returns false to end. It may call methods.
  using Waiter = std::function<bool(const pollfd& bus)>;
  Status follow(const std::function<void()>& ready, const EventHandler& handler, const Waiter& wait = {});

  struct Target {
    std::string name, path, interface, member;
  };
  /// One method of any service: what the functions above and RootProxy are made of.
  Status call(const Target& target, const std::function<void(Writer&)>& write,
              const std::function<Status(Reader&)>& read);

 private:
  struct Following;
  Proxy(sd_bus* bus, Duration timeout) : bus_(bus), timeout_(timeout) {}
  Status audit_call(Service service, const char* member, const std::function<void(Writer&)>& write,
                    const std::function<Status(Reader&)>& read);
  Status policy_call(Service service, const char* member, const std::function<void(Writer&)>& write,
                     const std::function<Status(Reader&)>& read);
  Status sealing_call(Service service, const char* member, const std::function<void(Writer&)>& write,
                      const std::function<Status(Reader&)>& read);
  Status node_call(const char* member, const std::function<Status(Reader&)>& read);
  Status nmm_call_with(const char* member, const std::function<void(Writer&)>& write,
                       const std::function<Status(Reader&)>& read);
  Status nmm_call(const char* member, const std::vector<std::uint64_t>& ids);

  sd_bus* bus_;
  Duration timeout_;
};

}  // namespace akm::dbus
