#pragma once
// The NMM: its parts put together, and its control port. One thread.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/nmm/attestations.h"
#include "daemon/nmm/backups.h"
#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/expectations.h"
#include "daemon/nmm/incoming.h"
#include "daemon/nmm/lifecycle.h"
#include "daemon/nmm/machine_guard.h"
#include "daemon/nmm/membership.h"
#include "daemon/nmm/nmm_joining.h"
#include "daemon/nmm/provisioner.h"
#include "daemon/nmm/recovery.h"
#include "daemon/nmm/restoration.h"
#include "daemon/nmm/root_link.h"
#include "daemon/nmm/token_preparation.h"
#include "daemon/nmm/tpm_provisioning.h"
#include "daemon/nmm/upkeep.h"
#include "daemon/node/hardware.h"
#include "daemon/service/direct_provisioning.h"

namespace akm::nmm {

/// What the start-up knows and status shows.
struct NmmIdentity {
  std::string key_storage;
  bool hardware_protected = false;
  std::uint32_t incarnation = 0;
  std::uint32_t counted = 0;  // of it, by the sealer
  std::string io_backend;
  std::string listen;
  std::vector<std::string> findings;
};

/// What a Root is joined with. Without `hardware` none is.
struct NmmMachine {
  node::Hardware* hardware = nullptr;
  std::function<void()> start_anew = {};
  std::function<void(StatusSnapshot&)> add_to_status = {};
  std::unique_ptr<bpf::ProbeSet> probes = nullptr;  // null: the kernel says nothing of this machine
  service::RunAside run_hooks = {};                 // for programs of the response hook alone
};

class Nmm final : public ControlPort {
 public:
  Nmm(const Core::Parts& parts, NmmSettings settings, NmmIdentity identity, NmmMachine machine = {});

  /// Reads the records and takes up what was under way. `loop` may be null: then nothing is provisioned
  /// directly.
  Status start(const RunningClock::BootId& boot, io::Loop* loop);
  void set_observer(Observer observer);
  /// The shell's report handler.
  void report(service::Report& report);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();

  [[nodiscard]] StatusSnapshot status() const override;
  [[nodiscard]] std::vector<NodeSnapshot> nodes() const override;
  [[nodiscard]] std::vector<AsrSnapshot> asrs() const override;
  void create_root_secret(Done done) override;
  void prepare_bundle(Prepare what, Destination to, Reply<Prepared> reply) override;
  void list_drives(Reply<std::vector<DriveSnapshot>> reply) override;
  void prepare_token(Prepare what, const std::string& uri, UniqueFd pin,
                     Reply<PreparedOnToken> reply) override;
  void prepare_for_tpm(PrepareForTpm what, Reply<PreparedForTpm> reply) override;
  void provision_direct(Prepare what, const std::string& bus_address, Reply<std::uint64_t> reply) override;
  void begin_direct(Prepare what, const std::string& bus_address, Reply<DirectOffer> reply) override;
  void confirm_direct(std::uint64_t handle, const std::string& fingerprint,
                      Reply<std::uint64_t> reply) override;
  void create_asr(const std::string& label, std::vector<std::uint64_t> node_ids,
                  std::map<std::string, std::string> policy, Reply<std::uint64_t> reply) override;
  void add_member(std::uint64_t asr_id, std::uint64_t node_id, Done done) override;
  void remove_member(std::uint64_t asr_id, std::uint64_t node_id, Done done) override;
  void rekey(std::uint64_t asr_id, Done done) override;
  void set_policy(std::uint64_t asr_id, std::map<std::string, std::string> policy, Done done) override;
  void delete_asr(std::uint64_t asr_id, Done done) override;
  void quarantine(std::uint64_t node_id, Done done) override;
  void attest(std::uint64_t node_id, bool accept, Reply<Attested> reply) override;
  void set_golden_pcrs(std::uint64_t node_id, std::array<std::uint8_t, 32> pcr_digest, Done done) override;
  void readmit(std::uint64_t node_id, Done done) override;
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> describe(
      std::uint64_t node_id) const override;
  void reprovision(std::uint64_t node_id, Done done) override;
  void rehome(std::uint64_t node_id, std::vector<std::uint8_t> hardware_value, Done done) override;
  void retire(std::uint64_t node_id, bool forget, Done done) override;
  void accept_hardware(Done done) override;
  Result<HardwareIdentity> hardware_identity() override;
  void provision_from_file(const std::string& path, UniqueFd code, Done done) override;
  void provision_from_memfd(UniqueFd bundle, Done done) override;
  void tpm_identity(Reply<TpmIdentity> reply) override { joining_.tpm_identity(std::move(reply)); }
  void provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                               Done done) override {
    joining_.from_tpm_file(path, digest, std::move(done));
  }
  void provision_from_token(const std::string& uri, UniqueFd pin, Done done) override;
  Result<HandoverOffer> offer_handover() override { return joining_.offer_handover(); }
  void provision_sealed(std::vector<std::uint8_t> sealed, Done done) override;
  void make_backup(UniqueFd secret, Reply<MadeBackup> reply) override;
  void test_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) override;
  void restore_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) override;
  void confirm_asr(std::uint64_t asr_id, Done done) override;

  /// What watches this NMM's own machine: whatever is found there goes to it.
  MachineGuard& guard() { return guard_; }

  /// Where its nodes were last heard, or are to be reached first.
  [[nodiscard]] std::vector<Endpoint> node_endpoints() const;

  /// Sends what has gathered. Every way in ends with it.
  void settle();
  /// For whoever brings credentials to a node by another way than a file or a bus; followed by settle().
  Provisioner& provisioner() { return provisioner_; }
  PolicyPort& policy_port() { return core_.node_policies; }
  RootLink& root_link() { return root_link_; }
  Restoration& restoration() { return restoration_; }

 private:
  void show_member(const AsrRecord& record, const Rollout* rollout, MemberSnapshot& member,
                   AsrSnapshot& out) const;
  void handle(protocol::SessionCommitted& report);
  void handle(protocol::GenerationSwitched& report);
  void handle(protocol::AsrRetired& report);
  void handle(protocol::AttemptFailed& report);
  void handle(protocol::ChainsExhausted& report);
  void handle(protocol::ContradictionSeen& report);
  void handle(protocol::RequestReceived& report);
  void handle(protocol::ResponseReceived& report);
  void handle(protocol::RequestTimedOut& report);
  void handle(protocol::EventRefused& report);
  void handle(service::KeysChanged& report);
  void handle(service::EffectFailed& report);
  void news(const GenerationNews& news);
  void add_expected(std::vector<NodeSnapshot>& out) const;
  void add_unconfirmed(std::vector<std::string>& findings) const;
  void add_doubts(std::vector<std::string>& findings) const;
  void find(std::string sentence);  // at the start: said once in the log, and in the status from then on

  service::DirectProvisioning::Make maker(Prepare what);
  /// wrong_state: another machine has this one's place; busy: it starts anew, or its records are coming.
  [[nodiscard]] Status may_act() const;
  /// Nothing is done for nodes.
  [[nodiscard]] bool stopped() const { return root_link_.stopped() || restoration_.stopped(); }
  [[nodiscard]] Status stands_alone() const;
  Status take_over(const BackupContent& content);

  Core core_;
  NmmIdentity identity_;
  NmmMachine machine_;
  Membership membership_;
  Provisioner provisioner_;
  TokenPreparation token_preparation_;
  TpmProvisioning tpm_provisioning_;
  Recovery recovery_;
  Upkeep upkeep_;
  Attestations attestations_;
  Lifecycle lifecycle_;
  Incoming incoming_;
  Expectations expectations_;
  RootLink root_link_;
  Backups backups_;
  Restoration restoration_;
  NmmJoining joining_;
  MachineGuard guard_;
  std::optional<service::DirectProvisioning> direct_;
  bool settling_ = false;
};

}  // namespace akm::nmm
