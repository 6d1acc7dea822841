#pragma once
// The Root: its parts put together, and its control port. One thread; the database has another.
#include <optional>
#include <string>
#include <vector>

#include "daemon/root/control_port.h"
#include "daemon/root/issuer.h"
#include "daemon/root/receiver.h"
#include "daemon/root/root_core.h"
#include "daemon/service/direct_provisioning.h"

namespace akm::root {

/// What the start-up knows and status shows.
struct RootIdentity {
  std::string key_storage;
  bool hardware_protected = false;
  std::uint32_t incarnation = 0;
  std::string io_backend;
  std::string listen;
  std::vector<std::string> findings;
};

class Root final : public ControlPort {
 public:
  using Parts = RootCore::Parts;
  Root(const Parts& parts, RootSettings settings, RootIdentity identity);

  /// Reads the records and takes up what was under way. `loop` may be null: then nothing is provisioned
  /// directly.
  Status start(const nmm::RunningClock::BootId& boot, io::Loop* loop);
  void set_observer(Observer observer);
  /// The shell's report handler.
  void report(service::Report& report);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();
  /// Sends what has gathered. Every way in ends with it.
  void settle();
  /// A record of a policy has changed, or which one is whose: each active NMM is told its own.
  void policy_changed();
  /// Records of nodes or relationships have changed: each active NMM is told what is another for it.
  void records_changed();
  /// The database answers: what it was to say at the start is asked where it was away then.
  void database_reached();

  [[nodiscard]] StatusSnapshot status() const override;
  [[nodiscard]] std::vector<NmmSnapshot> nmms() const override;
  void create_root_secret(Done done) override;
  void prepare_nmm(Prepare what, const std::string& directory, const std::string& who,
                   Reply<Prepared> reply) override;
  void provision_nmm(Prepare what, const std::string& bus_address, const std::string& who,
                     Reply<std::uint64_t> reply) override;
  void replace_nmm(std::uint64_t nmm_id, std::vector<std::uint8_t> hardware_value,
                   const std::string& directory, const std::string& who, Reply<Prepared> reply) override;
  void replace_nmm_direct(std::uint64_t nmm_id, const std::string& bus_address, const std::string& who,
                          Reply<std::uint64_t> reply) override;
  void prepare_nmm_on_token(Prepare what, const std::string& uri, UniqueFd pin, const std::string& who,
                            Reply<PreparedOnToken> reply) override;
  void prepare_nmm_for_tpm(Prepare what, std::vector<std::uint8_t> identity, const std::string& place,
                           const std::string& who, Reply<PreparedForTpm> reply) override;
  void begin_direct(Prepare what, const std::string& bus_address, const std::string& who,
                    Reply<DirectOffer> reply) override;
  void confirm_direct(std::uint64_t handle, const std::string& fingerprint,
                      Reply<std::uint64_t> reply) override;
  [[nodiscard]] ConfigPort& configuration() override { return *configuration_; }

  /// For whoever brings credentials by another way than a file; followed by settle().
  Issuer& issuer() { return issuer_; }
  [[nodiscard]] const NmmBook& book() const { return core_.book; }

 private:
  void handle(protocol::SessionCommitted&) {}
  void handle(protocol::GenerationSwitched&) {}
  void handle(protocol::AsrRetired&) {}
  void handle(protocol::AttemptFailed&) {}
  void handle(protocol::ChainsExhausted&) {}
  void handle(protocol::ContradictionSeen& report);
  void handle(protocol::RequestReceived& report) { receiver_.request(report); }
  void handle(protocol::ResponseReceived& report);
  void handle(protocol::RequestTimedOut& report);
  void handle(protocol::EventRefused& report);
  void handle(service::KeysChanged&) {}
  void handle(service::EffectFailed& report);
  void issue(const Prepare& what, const std::string& who, service::BundleReply made);
  [[nodiscard]] Result<Prepare> replacing(std::uint64_t nmm_id) const;
  Status name_lost(Prepare& what) const;
  void write_file(const Prepare& what, const std::string& directory, const std::string& who,
                  Reply<Prepared> reply);
  service::DirectProvisioning::Make maker(Prepare what, const std::string& who);

  RootCore core_;
  RootIdentity identity_;
  ConfigPort* configuration_;
  std::function<DatabaseState()> database_state_;  // may be empty
  Issuer issuer_;
  Receiver receiver_;
  std::optional<service::DirectProvisioning> direct_;
  bool settling_ = false;
};

}  // namespace akm::root
