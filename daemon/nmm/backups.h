#pragma once
// Makes backups of an NMM that stands alone, and looks into them. One with a Root needs none: its Root has
// all of it.
#include <functional>
#include <string>
#include <vector>

#include "daemon/nmm/backup_file.h"
#include "daemon/nmm/control_port.h"
#include "daemon/nmm/core.h"

namespace akm::nmm {

class Backups {
 public:
  struct Parts {
    Core& core;
    std::uint32_t incarnation = 0;
    std::function<Status()> may_make;  // what stands in the way
  };
  explicit Backups(Parts parts) : parts_(std::move(parts)), core_(parts_.core) {}

  /// `secret`: none: one is drawn. wrong_state, limit_exceeded (too many former root secrets in use),
  /// invalid_argument (the secret), busy.
  void make(UniqueFd secret, Reply<ControlPort::MadeBackup> reply);
  /// Opens and decodes it all, and changes nothing. Errors of open_backup().
  void look(UniqueFd file, UniqueFd secret, Reply<ControlPort::BackupFacts> reply);
  /// The same for who takes it over.
  void open(UniqueFd file, UniqueFd secret, Reply<BackupContent> reply);

  static ControlPort::BackupFacts facts_of(const BackupContent& content);

 private:
  Result<BackupContent> content();

  Parts parts_;
  Core& core_;
};

}  // namespace akm::nmm
