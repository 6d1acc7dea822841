#include "tools/akmctl/take_bundle.h"

#include <fmt/format.h>

#include "daemon/base/atomic_file.h"
#include "daemon/base/hex.h"
#include "tools/akmctl/code_entry.h"
#include "tools/akmctl/commands.h"
#include "tools/akmctl/json.h"
#include "tools/akmctl/table.h"

namespace akm::ctl {

/// Never over a file that is there: it may be another machine's.
Status write_identity(Session& session, dbus::Service service, const std::string& file,
                      const std::string& next) {
  AKM_ASSIGN(const std::string path, absolute_path(file));
  AKM_ASSIGN(dbus::Proxy* const proxy, session.reach(service));
  AKM_ASSIGN(const auto identity, proxy->tpm_identity(service));
  AKM_TRY(create_file_atomically(path, identity.file, 0644));
  say(session, facts({{"Identity", path}, {"Fingerprint", identity.fingerprint}}) + "\nNext, " + next,
      fmt::format(R"({{"path":"{}","fingerprint":"{}"}})", json_escaped(path),
                  json_escaped(identity.fingerprint)));
  return {};
}

Status take_bundle(dbus::Proxy& proxy, dbus::Service service, const std::string& from,
                   const std::string& secret_file, const std::string& digest_text) {
  if (from.starts_with("pkcs11:")) {
    AKM_ASSIGN(const UniqueFd pin, enter_pin(secret_file));
    return proxy.provision_from_token(from, pin, service);
  }
  AKM_ASSIGN(const std::string path, absolute_path(from));
  // A bundle for this machine's TPM needs no code: that is tried before somebody is asked for one.
  if (secret_file.empty()) {
    const auto digest = parse_hex(digest_text);
    if (!digest || (!digest->empty() && digest->size() != 32))
      return fail(Errc::invalid_argument, "--digest has 64 hex digits (shown where the bundle was made)");
    const Status opened = proxy.provision_from_tpm(path, *digest, service);
    if (opened || opened.error().code != Errc::not_supported || !digest->empty()) return opened;
  }
  AKM_ASSIGN(const UniqueFd code, enter_code(secret_file));
  return proxy.provision_from_file(path, code, service);
}

}  // namespace akm::ctl
