// Section 7, (b): the bundle comes on a PKCS#11 token. A module may block, or answer anything: it is asked
// aside, and the loop goes on.
#include <utility>

#include "daemon/node/node.h"
#include "daemon/node/node_import.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "keyring/token_pin.h"
#include "keyring/token_vault.h"

namespace akm::node {
namespace {

Result<protocol::BundleContent> read_bundle(const keyring::TokenPlace& place, const SecretBuffer& pin) {
  AKM_ASSIGN(const keyring::VaultContent vault, keyring::read_vault(place, pin));
  AKM_ASSIGN(auto content, protocol::decode_token_bundle(vault.content.reveal()));
  if (content.identity.node_name != vault.node)
    return fail(Errc::not_authentic, "the bundle is another node's than the token says");
  return content;
}

}  // namespace

void Node::provision_from_token(const std::string& uri, UniqueFd pin_fd, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  if (const auto named = keyring::TokenUri::parse(uri); !named) return done(std::unexpected(named.error()));
  auto typed = dbus::read_sealed_memfd(pin_fd.get(), dbus::limits::kPinBytes);
  if (!typed) return done(std::unexpected(typed.error()));
  auto pin = keyring::parse_pin(std::move(*typed));
  if (!pin) return done(std::unexpected(pin.error()));
  const SharedImport import = begin_import(std::move(done));
  import->code = std::move(*pin);
  import->way = "token";
  aside(
      import,
      [place = keyring::TokenPlace{settings_.common.pkcs11_module, uri}](Import& one) {
        one.content = read_bundle(place, one.code);
        one.consume = [&one, place](const std::string& receipt) {
          return keyring::consume_vault(place, one.code, one.content->identity.node_name, receipt);
        };
      },
      &Node::opened_without_code);
}

}  // namespace akm::node
