#pragma once
// A backup becomes an NMM again (docs/protocol.md, section 7, "A backup"): it takes the place of the machine
// that the backup was made on, as a replacement from a Root does. What it does not know is what happened
// since: so it issues nothing for a relationship whose members have not said that nothing did.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/nmm/backup_content.h"
#include "daemon/nmm/core.h"
#include "daemon/nmm/provisioner.h"
#include "daemon/nmm/upkeep.h"

namespace akm::nmm {

class Restoration {
 public:
  struct Parts {
    Core& core;
    Provisioner& provisioner;
    Upkeep& upkeep;
    store::SealedStore& store;
    std::uint32_t counted = 0;           // this start, by the sealer
    std::function<void()> start_anew;    // the daemon, with another incarnation
    std::function<bool()> stands_alone;  // with a Root, former secrets go when the Root has heard of it
    std::function<void(std::string)> find;
  };
  explicit Restoration(Parts parts) : parts_(std::move(parts)), core_(parts_.core) {}

  /// At the start, after root secret and registry were read: what a crash has cut short is undone, or, where
  /// everything was stored, carried on. True: the nodes are being called, settle() is due.
  Result<bool> resume();
  /// All of it is durable when it returns, or nothing: then this NMM is what it was. already_exists when it
  /// has nodes or relationships of its own, limit_exceeded, exhausted, errors of the store.
  Status take(const BackupContent& content);

  /// Nothing is done for nodes: the daemon is about to start anew, with another incarnation.
  [[nodiscard]] bool stopped() const { return anew_due_.has_value() || leaving_; }
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  void deadline_reached(Instant now);

 private:
  struct Mark {
    protocol::NodeId nmm_id = 0;
    std::uint32_t newest = 0;
    bool whole = false;
  };
  Result<std::optional<Mark>> mark() const;
  Status write_mark(const Mark& mark);
  Result<std::vector<protocol::NumberedSecret>> secrets_of(const BackupContent& content);
  [[nodiscard]] Status may_take() const;
  Status store_all(const BackupContent& content, const std::vector<protocol::NumberedSecret>& secrets);
  Status store_nodes(const BackupContent& content);
  Status store_asrs(const BackupContent& content);
  Status undo();
  Status take_policies();
  void call_nodes();
  void sweep(Instant now);
  Status finish();

  Parts parts_;
  Core& core_;
  std::optional<Instant> anew_due_;
  bool leaving_ = false;
  std::optional<Instant> finish_due_;
  Instant called_at_{};
  std::optional<Instant> sweep_due_;
};

}  // namespace akm::nmm
