#pragma once
// The Root: its parts put together, and its control port. One thread; the database has another.
#include <optional>
#include <string>
#include <vector>

#include "daemon/root/control_port.h"
#include "daemon/root/issuer.h"
#include "daemon/root/receiver.h"
#include "daemon/root/root_core.h"

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

  /// Reads the records and takes up what was under way.
  Status start(const nmm::RunningClock::BootId& boot);
  void set_observer(Observer observer);
  /// The shell's report handler.
  void report(service::Report& report);
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached();
  /// Sends what has gathered. Every way in ends with it.
  void settle();
  /// A record of a policy has changed, or which one is whose: each active NMM is told its own.
  void policy_changed();
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
  Issuer::BundleReply into_file(const std::string& directory, Reply<Prepared> reply);

  RootCore core_;
  RootIdentity identity_;
  ConfigPort* configuration_;
  std::function<DatabaseState()> database_state_;  // may be empty
  Issuer issuer_;
  Receiver receiver_;
  bool settling_ = false;
};

}  // namespace akm::root
