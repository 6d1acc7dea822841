// org.akm.Nmm1, one level up: how this NMM comes to the credentials of its Root.
#include "dbus/arguments.h"
#include "dbus/limits.h"
#include "dbus/nmm_adaptor.h"

namespace akm::dbus {
namespace {

constexpr std::size_t kDigestBytes = 32;

}  // namespace

Result<Action> NmmAdaptor::get_hardware_identity(Reader&) {
  return [this](Call call) {
    const Result<nmm::ControlPort::HardwareIdentity> identity = port_.hardware_identity();
    if (!identity) return call.fail(identity.error());
    call.reply([&](Writer& out) { out.bytes(identity->value).pairs('r', identity->sources); });
  };
}

Result<Action> NmmAdaptor::provision_from_file(Reader& in) {
  AKM_ASSIGN(std::string path, read_path(in, "the path of the bundle"));
  AKM_ASSIGN(UniqueFd code, read_sealed_fd(in, limits::kCodeBytes));
  return [this, path = std::move(path), code = std::move(code)](Call call) mutable {
    port_.provision_from_file(path, std::move(code), Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::provision_from_memfd(Reader& in) {
  AKM_ASSIGN(UniqueFd bundle, read_sealed_fd(in, limits::kBundleBytes));
  return [this, bundle = std::move(bundle)](Call call) mutable {
    port_.provision_from_memfd(std::move(bundle), Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::provision_from_token(Reader& in) {
  AKM_ASSIGN(std::string uri, read_token_uri(in));
  AKM_ASSIGN(UniqueFd pin, read_sealed_fd(in, limits::kPinBytes));
  return [this, uri = std::move(uri), pin = std::move(pin)](Call call) mutable {
    port_.provision_from_token(uri, std::move(pin), Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::offer_handover(Reader&) {
  return [this](Call call) {
    const Result<nmm::ControlPort::HandoverOffer> offer = port_.offer_handover();
    if (!offer) return call.fail(offer.error());
    call.reply([&](Writer& out) {
      out.bytes(offer->identity.value).pairs('r', offer->identity.sources);
      out.bytes(offer->key).text(offer->fingerprint).u64(offer->nmm_id);
    });
  };
}

Result<Action> NmmAdaptor::provision_sealed(Reader& in) {
  AKM_ASSIGN(std::vector<std::uint8_t> sealed, in.bytes(limits::kSealedBundleBytes));
  return [this, sealed = std::move(sealed)](Call call) mutable {
    port_.provision_sealed(std::move(sealed), Call::done(std::move(call)));
  };
}

Result<Action> NmmAdaptor::get_tpm_identity(Reader&) {
  return [this](Call call) {
    port_.tpm_identity(
        [call = std::move(call)](const Result<nmm::ControlPort::TpmIdentity>& identity) mutable {
          if (!identity) return call.fail(identity.error());
          call.reply([&](Writer& out) { out.bytes(identity->file).text(identity->fingerprint); });
        });
  };
}

Result<Action> NmmAdaptor::provision_from_tpm(Reader& in) {
  AKM_ASSIGN(std::string path, read_path(in, "the path of the bundle"));
  AKM_ASSIGN(auto digest, in.bytes(kDigestBytes));
  if (!digest.empty() && digest.size() != kDigestBytes)
    return fail(Errc::invalid_argument, "the digest of a bundle has 32 bytes or none");
  return [this, path = std::move(path), digest = std::move(digest)](Call call) {
    port_.provision_from_tpm_file(path, digest, Call::done(std::move(call)));
  };
}

}  // namespace akm::dbus
