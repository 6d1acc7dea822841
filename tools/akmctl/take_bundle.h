#pragma once
// Credentials that are carried to this machine, for a node as for an NMM: by its TPM's identity, a bundle, or
// a token.
#include <string>

#include "tools/akmctl/session.h"

namespace akm::ctl {

/// The identity of this machine's TPM as a file; never over one that is there. `next` says what to do with
/// it.
Status write_identity(Session& session, dbus::Service service, const std::string& file,
                      const std::string& next);

/// From a pkcs11: URI with its PIN, else from a file, folder or drive: without a code where the bundle is for
/// this machine's TPM. `secret_file`: where code or PIN are read from instead of asking. `digest`: of the
/// bundle that is to be taken, hex; or empty.
Status take_bundle(dbus::Proxy& proxy, dbus::Service service, const std::string& from,
                   const std::string& secret_file, const std::string& digest);

}  // namespace akm::ctl
