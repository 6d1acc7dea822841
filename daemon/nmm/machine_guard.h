#pragma once
// The NMM's own machine: what the kernel's probes, user space and the policy say of it, and what follows. A
// breach of it is one of every node's, and there is nobody below who could put this NMM out: it replaces its
// keys, and the Root and the operator hear of it.
#include <functional>
#include <memory>

#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/key_replacement.h"
#include "daemon/nmm/recovery.h"
#include "daemon/policy/incident.h"
#include "daemon/sentry/sentry.h"

namespace akm::nmm {

class MachineGuard {
 public:
  struct Parts {
    Core& core;
    Recovery& recovery;
    std::unique_ptr<bpf::ProbeSet> probes;           // null: the kernel's are not to be had
    service::RunAside run_hooks;                     // may be null: there are no hooks
    std::function<protocol::AsrId()> root_asr;       // the relationship with the Root; 0: there is none
    std::function<bool()> acts;                      // this NMM may change keys: it is not fenced
    std::function<void(const EventRecord&)> report;  // to the Root, where there is one
    std::function<void()> settle;
  };
  explicit MachineGuard(Parts parts);

  /// What a watch has seen.
  void judge(const policy::Detection& detection);
  /// For the loop, as Sentry.
  [[nodiscard]] int fd() const { return sentry_.fd(); }
  void readable();
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);
  /// After everything else has been taken up.
  void resume(const policy::BootId& boot);
  void provisioning_rekeyed(protocol::NodeId node_id) { replacement_.rekeyed(node_id); }
  [[nodiscard]] bool holds_back(protocol::NodeId node_id) { return replacement_.holds_back(node_id); }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> health() const { return sentry_.health(); }
  [[nodiscard]] std::string pin_folder() const { return sentry_.pin_folder(); }
  void show(StatusSnapshot& out) const;

 private:
  void decided(const policy::Detection& detection, const policy::Decision& decision);
  void respond(const policy::Detection& detection, const policy::Decision& decision, std::uint64_t incident);
  void tell(const EventRecord& event, const policy::Decision& decision);
  void run_hook(const policy::Detection& detection, const policy::Decision& decision);
  void hook_ended(const Status& status);
  void keep_memory(const policy::Decision& decision);
  void save_memory();

  Parts parts_;
  Core& core_;
  sentry::Sentry sentry_;
  policy::IncidentBook incidents_;
  KeyReplacement replacement_;
  std::map<std::string, std::uint64_t> counters_;
  policy::BootId boot_{};
  std::optional<Instant> memory_due_;  // of what the policy remembers
};

}  // namespace akm::nmm
