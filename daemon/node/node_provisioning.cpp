// Section 7: credentials come as a bundle, once.
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"
#include "dbus/sealed_memfd.h"

namespace akm::node {

Status Node::may_be_provisioned() const {
  if (!shell_) return fail(Errc::sealed_unavailable);
  if (leaving_) return fail(Errc::busy, "the state was erased, and the daemon starts anew");
  if (state_ != NodeState::unprovisioned) return fail(Errc::already_provisioned);
  if (importing()) return fail(Errc::busy, "provisioning is under way");
  return {};
}

service::BundleImport::Parts Node::import_parts() {
  return {
      .store = *parts_.store,
      .run_aside = parts_.run_aside,
      .now = parts_.now,
      .take = [this](const protocol::BundleContent& content,
                     const service::BundleImport::Found& found) -> Result<std::string> {
        std::string receipt = receipt_of(content);
        AKM_TRY(note_leftover(content, found, receipt));
        const Status taken = take_up(content, found.way);
        if (taken) return receipt;
        // Where it stays, the use id is not among those that were used.
        if (const auto noted = stored_leftover(); noted && noted->use_id == content.use_id)
          (void)records_->erase_leftover();
        return std::unexpected(taken.error());
      },
      .wrong_code =
          [this](unsigned tries_left) {
            say({.name = "wrong-code", .severity = 4, .fields = {{"tries_left", std::to_string(tries_left)}}},
                {}, "A one-time code did not open a bundle");
            status_changed();
          },
      .removed = [this](const service::BundleImport::Found& found,
                        const Status& removed) { bundle_removed(found, removed); }};
}

void Node::provision_from_file(const std::string& path, UniqueFd code, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  import_->from_file({path, settings_.drives_also}, std::move(code), std::move(done));
}

void Node::provision_from_memfd(UniqueFd bundle, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto bytes = dbus::read_sealed_memfd(bundle.get(), protocol::kBundleBytes);
  if (!bytes) return done(std::unexpected(bytes.error()));
  const auto content = protocol::decode_direct_bundle(bytes->reveal());
  done(content ? take_up(*content, "direct") : std::unexpected(content.error()));
}

Result<ControlPort::Offer> Node::offer_handover() {
  AKM_TRY(may_be_provisioned());
  AKM_ASSIGN(HardwareIdentity identity, parts_.hardware.identity());
  AKM_ASSIGN(service::Handover::Shown shown, handover_.offer(identity.value, parts_.random, parts_.now()));
  Offer offer{std::move(identity), std::move(shown.key), std::move(shown.fingerprint)};
  say({.name = "handover-offered", .severity = 5, .fields = {{"fingerprint", offer.fingerprint}}}, {},
      "Credentials may come over the bus; compare the fingerprint with the one that the NMM shows");
  status_changed();
  return offer;
}

void Node::provision_sealed(std::vector<std::uint8_t> sealed, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto content = handover_.open(sealed, parts_.now());
  done(content ? take_up(*content, "direct") : std::unexpected(content.error()));
}

Status Node::take_up(const protocol::BundleContent& content, std::string_view way) {
  AKM_TRY(take_credentials(content));
  provisioned(way);
  return {};
}

void Node::provisioned(std::string_view way) {
  handover_.forget();
  say({.name = "provisioned",
       .severity = 5,
       .fields = {{"node", record_->identity.node_name},
                  {"node_id", hex_id(record_->identity.node_id)},
                  {"nmm", record_->identity.nmm_name},
                  {"nmm_id", hex_id(record_->identity.nmm_id)},
                  {"way", std::string(way)}}},
      message_id::kProvisioned, "Provisioning credentials were stored");
  set_state(NodeState::provisioned);
  offer({});
  if (settings_.activate_automatically) activation_due_ = parts_.now();
}

Status Node::take_credentials(const protocol::BundleContent& content) {
  AKM_ASSIGN(const bool used, records_->was_used(content.use_id));
  if (used) return fail(Errc::already_consumed);
  AKM_ASSIGN(const protocol::HardwareValue hardware, parts_.hardware.value());
  // A bundle for a machine that nobody had seen is for the all-zero value; the NMM binds it at activation.
  const protocol::HardwareValue& masked_with = content.unbound ? protocol::kUnknownHardware : hardware;
  if (content.check) {
    AKM_ASSIGN(const protocol::HardwareCheck check, protocol::hardware_check(masked_with, content.use_id));
    if (check != *content.check) return fail(Errc::hardware_mismatch);
  }
  AKM_ASSIGN(auto chains, protocol::unmask_chains(content.mask, masked_with, content.use_id));
  AKM_ASSIGN(const protocol::ReceiptKey receipt_key,
             protocol::receipt_key(chains[protocol::kChainCount - 1]));
  AKM_ASSIGN(auto sources, parts_.hardware.digests());
  AKM_ASSIGN(auto asr, protocol::make_provisioning_asr(content.identity, std::move(chains)));
  const protocol::AsrId asr_id = content.identity.asr_id;
  Status installed = fail(Errc::internal, "the engine was not asked");
  shell_->post(protocol::InstallAsr{std::move(asr), protocol::kNodeIndex, true, 0},
               [&installed](const Status& status) { installed = status; });
  AKM_TRY(installed);
  // Until the record is there, nothing refers to the relationship: a crash here leaves the node
  // unprovisioned.
  NodeRecord record{content.identity,   hardware, content.use_id, NodeState::provisioned, {},
                    std::move(sources), false};
  if (const Status stored = remember(record, receipt_key); !stored) {
    shell_->post(protocol::RetireAsr{asr_id});
    return stored;
  }
  record_ = std::move(record);
  link_.use(asr_id);
  activation_backoff_.reset();
  return {};
}

/// The use of the bundle first: a power cut in between wastes it, and does not let it be used twice.
Status Node::remember(const NodeRecord& record, const protocol::ReceiptKey& receipt_key) {
  AKM_TRY(records_->add_used(record.use_id));
  Status stored = records_->save_receipt_key(receipt_key);
  if (stored) stored = records_->save(record);
  if (stored) return {};
  // The first error is what counts: the bundle is unused again, where the disk lets us say so.
  [[maybe_unused]] const Status undone = records_->erase();
  [[maybe_unused]] const Status unused = records_->remove_used(record.use_id);
  return stored;
}

std::string Node::receipt_of(const protocol::BundleContent& content) {
  return "{\"akm-receipt\": 1, \"node\": \"" + hex_id(content.identity.node_id) + "\", \"nmm\": \"" +
         hex_id(content.identity.nmm_id) + "\", \"serial\": " + std::to_string(content.identity.serial) +
         ", \"use_id\": \"" + hex(content.use_id) + "\"}\n";
}

}  // namespace akm::node
