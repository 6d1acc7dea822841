// Section 7, (b): the bundle comes on a PKCS#11 token. A module may block, or answer anything: it is asked
// aside, and the loop goes on.
#include <utility>

#include "daemon/node/node.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "keyring/token_pin.h"
#include "keyring/token_vault.h"

namespace akm::node {

struct Node::TokenImport {
  keyring::TokenPlace place;
  SecretBuffer pin;
  Done done;
  std::string label;    // of the bundle on the token
  std::string receipt;  // set when the credentials are stored

  Result<protocol::BundleContent> read() {
    AKM_ASSIGN(const keyring::VaultContent vault, keyring::read_vault(place, pin));
    AKM_ASSIGN(auto content, protocol::decode_token_bundle(vault.content.reveal()));
    if (content.identity.node_name != vault.node) {
      return fail(Errc::not_authentic, "the bundle is another node's than the token says");
    }
    label = vault.node;
    return content;
  }
};

void Node::provision_from_token(const std::string& uri, UniqueFd pin_fd, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  if (const auto named = keyring::TokenUri::parse(uri); !named) return done(std::unexpected(named.error()));
  auto typed = dbus::read_sealed_memfd(pin_fd.get(), dbus::limits::kPinBytes);
  if (!typed) return done(std::unexpected(typed.error()));
  auto pin = keyring::parse_pin(std::move(*typed));
  if (!pin) return done(std::unexpected(pin.error()));
  provisioning_under_way_ = true;
  const auto import = std::make_shared<TokenImport>(keyring::TokenPlace{settings_.common.pkcs11_module, uri},
                                                    std::move(*pin), std::move(done));
  const Status taken = parts_.run_aside([this, import]() -> keyring::TpmWorker::Completion {
    auto content = import->read();
    return [this, import, content = std::move(content)]() mutable {
      provisioning_under_way_ = false;
      take_from_token(std::move(content), import);
    };
  });
  if (taken) return;
  provisioning_under_way_ = false;
  import->done(taken);
}

void Node::take_from_token(Result<protocol::BundleContent> content,
                           const std::shared_ptr<TokenImport>& import) {
  Status taken = content ? may_be_provisioned() : std::unexpected(content.error());
  if (taken) taken = take_credentials(*content);
  if (!taken) return import->done(taken);
  // From here on the node is provisioned, also if the token was pulled out.
  provisioned("token");
  consume_on_token(*content, import);
}

void Node::consume_on_token(const protocol::BundleContent& content,
                            const std::shared_ptr<TokenImport>& import) {
  import->receipt = receipt_of(content);
  const auto end = [this, import](const Status& consumed) {
    if (!consumed) {
      say({.name = "bundle-not-removed", .severity = 4, .fields = {{"error", consumed.error().message()}}},
          {}, "The bundle was used, but not wholly removed from the token; remove it by hand");
    }
    import->done({});
  };
  const Status queued = parts_.run_aside([import, end]() -> keyring::TpmWorker::Completion {
    const Status consumed =
        keyring::consume_vault(import->place, import->pin, import->label, import->receipt);
    return [end, consumed] { end(consumed); };
  });
  if (!queued) end(queued);
}

}  // namespace akm::node
