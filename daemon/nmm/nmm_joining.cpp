#include "daemon/nmm/nmm_joining.h"

#include <memory>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/tpm_import.h"
#include "dbus/sealed_memfd.h"

namespace akm::nmm {
namespace {

std::string receipt_of(const protocol::ProvisioningIdentity& identity, const protocol::SingleUseId& use_id) {
  return "{\"akm-receipt\": 1, \"nmm\": \"" + hex_id(identity.node_id) + "\", \"root\": \"" +
         hex_id(identity.nmm_id) + "\", \"serial\": " + std::to_string(identity.serial) + ", \"use_id\": \"" +
         hex(use_id) + "\"}\n";
}

}  // namespace

NmmJoining::NmmJoining(Parts parts)
    : parts_(std::move(parts)), core_(parts_.core), import_(import_parts(parts_.store)) {}

service::BundleImport::Parts NmmJoining::import_parts(store::SealedStore& store) {
  return {.store = store,
          .run_aside = core_.run_aside,
          .now = [this] { return core_.now(); },
          .take = [this](const protocol::BundleContent& content, const auto&) { return take(content); },
          .wrong_code =
              [this](unsigned tries_left) {
                core_.announce("wrong-code", 4, message_id::kStateChanged,
                               "A one-time code did not open a Root's bundle.", 0,
                               {{"tries_left", std::to_string(tries_left)}});
              },
          .removed =
              [this](const auto&, const Status& removed) {
                if (removed) return;
                core_.announce("bundle-not-removed", 4, message_id::kStateChanged,
                               "The Root's bundle was used, but not wholly removed; remove it by hand.", 0,
                               {{"error", removed.error().message()}});
              }};
}

Result<std::string> NmmJoining::take(const protocol::BundleContent& content) {
  const Status taken = parts_.link.take(content);
  if (taken) handover_.forget();
  parts_.settle();
  if (!taken) return std::unexpected(taken.error());
  return receipt_of(content.identity, content.use_id);
}

Status NmmJoining::take_direct(const Result<protocol::BundleContent>& content) {
  if (!content) return std::unexpected(content.error());
  if (import_.under_way()) return fail(Errc::busy, "a bundle is being opened");
  AKM_TRY(take(*content));
  return {};
}

void NmmJoining::from_file(const std::string& path, UniqueFd code, Done done) {
  import_.from_file({path, {}}, std::move(code), std::move(done));
}

void NmmJoining::from_token(const std::string& uri, UniqueFd pin, Done done) {
  import_.from_token({core_.settings.pkcs11_module, uri}, std::move(pin), std::move(done));
}

void NmmJoining::tpm_identity(Reply<ControlPort::TpmIdentity> reply) {
  if (parts_.hardware == nullptr) return reply(fail(Errc::no_hardware_source));
  auto hardware = parts_.hardware->identity();
  if (!hardware) return reply(std::unexpected(hardware.error()));
  service::reply_aside<ControlPort::TpmIdentity>(
      core_.run_aside,
      [tpm = parts_.hardware->tpm(), hardware = std::move(*hardware)] {
        return node::make_tpm_identity(tpm, hardware);
      },
      std::move(reply));
}

void NmmJoining::from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest, Done done) {
  if (parts_.hardware == nullptr) return done(fail(Errc::no_hardware_source));
  const auto hardware = parts_.hardware->value();
  if (!hardware) return done(std::unexpected(hardware.error()));
  import_.from_sealed_file({path, {}}, node::open_for_tpm(parts_.hardware->tpm(), *hardware, digest),
                           std::move(done));
}

void NmmJoining::from_memfd(const UniqueFd& bundle, Done done) {
  const auto bytes = dbus::read_sealed_memfd(bundle.get(), protocol::kBundleBytes);
  if (!bytes) return done(std::unexpected(bytes.error()));
  done(take_direct(protocol::decode_direct_bundle(bytes->reveal())));
}

Result<ControlPort::HandoverOffer> NmmJoining::offer_handover() {
  if (parts_.hardware == nullptr) return fail(Errc::no_hardware_source);
  AKM_ASSIGN(auto identity, parts_.hardware->identity());
  AKM_ASSIGN(auto shown, handover_.offer(identity.value, core_.random, core_.now(), core_.root.nmm_id()));
  core_.announce("handover-offered", 5, message_id::kStateChanged,
                 "A Root may hand credentials over the bus; compare the fingerprint with the one it shows.",
                 0, {{"fingerprint", shown.fingerprint}});
  core_.status_changed();
  return ControlPort::HandoverOffer{{std::move(identity), std::move(shown.key), std::move(shown.fingerprint)},
                                    core_.root.nmm_id()};
}

void NmmJoining::from_handover(const std::vector<std::uint8_t>& sealed, Done done) {
  done(take_direct(handover_.open(sealed, core_.now())));
}

void NmmJoining::deadline_reached(Instant now) {
  const auto ends = handover_.ends();
  if (!ends || *ends > now) return;
  handover_.forget();
  core_.status_changed();
}

}  // namespace akm::nmm
