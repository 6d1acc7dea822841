#pragma once
// Way (b) of section 7 by TPM import, at an NMM and at a Root: the other side has told its TPM's identity,
// the bundle opens in that TPM only.
#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/base/control_types.h"
#include "daemon/protocol/node_identity.h"
#include "daemon/service/aside_worker.h"
#include "daemon/service/bundle_maker.h"

namespace akm::nmm {

struct TpmAsked {
  std::string name;
  std::vector<std::uint8_t> identity;  // the file
  std::string place;                   // a folder or a removable drive
  std::string roots;                   // folder of the certificates that are trusted
  bool certificate_required = false;
  bool certificate_in_time = false;  // by the wall clock of this machine
};

struct WrittenForTpm {
  std::uint64_t id = 0;  // that the credentials are for
  std::string path;
  std::string fingerprint;      // SHA-256 of the identity, 64 hex digits
  std::string digest;           // of the bundle, the same
  std::string endorsement_key;  // its name, hex
  bool certified = false;       // a vendor's certificate says that the endorsement key is one of a TPM
  std::string certificate;      // whose it is, or why it does not count
  std::array<std::uint8_t, 32> pcr_digest{};
};

/// Makes the credentials for this machine, whose identity has checked out; what is known of it by then.
using MakeForTpm = std::move_only_function<void(const protocol::NodeIdentity&, const WrittenForTpm& known,
                                                service::BundleReply)>;

/// What touches the drive is done aside, `make` on the loop. An identity that does not check out, and, where
/// a certificate is required, one without: refused before a serial is used up. Errors of BundleTarget,
/// check_bundle_place and `make`.
void write_tpm_bundle(const service::RunAside& run_aside, TpmAsked asked, MakeForTpm make,
                      Reply<WrittenForTpm> reply);

}  // namespace akm::nmm
