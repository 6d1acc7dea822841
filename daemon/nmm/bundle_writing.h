#pragma once
// Way (a) of section 7, at an NMM and at a Root: NAME.akmbundle in a folder or on a drive, and its one-time
// code. What touches the drive, and the sealing, are done aside.
#include <string>

#include "daemon/base/random.h"
#include "daemon/nmm/control_port.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/bundle_maker.h"

namespace akm::nmm {

struct WrittenBundle {
  std::uint64_t id = 0;  // that the credentials are for
  std::string path;
  UniqueFd code;  // sealed memfd with the one-time code
};

/// The place is looked at first, so that no serial is used up in vain; then `make` is called, on the loop.
/// `reply` is called when the file is on the drive and the drive is let go. busy when many wait; errors of
/// check_bundle_place, `make` and write_bundle_file.
void write_bundle(const service::RunAside& run_aside, ControlPort::Destination to, const std::string& name,
                  service::MakeBundle make, Reply<WrittenBundle> reply);

}  // namespace akm::nmm
