#include "daemon/nmm/token_preparation.h"

#include <utility>

#include "daemon/protocol/bundle.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"
#include "keyring/token_pin.h"
#include "keyring/token_vault.h"

namespace akm::nmm {

/// What the thread aside works on.
struct TokenPreparation::Work {
  ControlPort::Prepare what;
  keyring::TokenPlace place;
  Reply<ControlPort::PreparedOnToken> reply;
  SecretBuffer pin;
  SecretBuffer bundle;
  std::uint64_t node_id = 0;

  void refuse(const Error& error) { reply(std::unexpected(error)); }
};

void TokenPreparation::start(ControlPort::Prepare what, const std::string& uri, UniqueFd pin,
                             Reply<ControlPort::PreparedOnToken> reply) {
  const auto work = std::make_shared<Work>(
      std::move(what), keyring::TokenPlace{core_.settings.pkcs11_module, uri}, std::move(reply));
  if (const Status begun = begin(work, std::move(pin)); !begun) work->refuse(begun.error());
}

Status TokenPreparation::begin(const std::shared_ptr<Work>& work, UniqueFd pin) {
  AKM_TRY(provisioner_.check(work->what));
  AKM_TRY(keyring::TokenUri::parse(work->place.uri));
  AKM_ASSIGN(SecretBuffer typed, dbus::read_sealed_memfd(pin.get(), dbus::limits::kPinBytes));
  AKM_ASSIGN(work->pin, keyring::parse_pin(std::move(typed)));
  return core_.run_aside([this, work]() -> keyring::TpmWorker::Completion {
    const Status free = keyring::check_vault(work->place, work->pin, work->what.node_name);
    return [this, work, free] {
      const Status begun = free ? write(work) : free;
      if (!begun) work->refuse(begun.error());
      after_();
    };
  });
}

Status TokenPreparation::write(const std::shared_ptr<Work>& work) {
  AKM_ASSIGN(const protocol::BundleContent content, provisioner_.prepare(work->what));
  AKM_ASSIGN(work->bundle, protocol::encode_token_bundle(content));
  work->node_id = content.identity.node_id;
  return core_.run_aside([work]() -> keyring::TpmWorker::Completion {
    auto written = keyring::put_in_vault(work->place, work->pin, work->what.node_name, work->bundle.reveal());
    return [work, written = std::move(written)] {
      if (!written) return work->refuse(written.error());
      work->reply(ControlPort::PreparedOnToken{work->node_id, written->token, written->sealed});
    };
  });
}

}  // namespace akm::nmm
