// Section 7: credentials come as a bundle, once.
#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/node/node.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"

namespace akm::node {

Status Node::may_be_provisioned() const {
  if (!shell_) return fail(Errc::sealed_unavailable);
  if (state_ != NodeState::unprovisioned) return fail(Errc::already_provisioned);
  if (provisioning_under_way_) return fail(Errc::busy, "provisioning is under way");
  return {};
}

void Node::provision_from_file(const std::string& path, UniqueFd code_fd, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto typed = dbus::read_sealed_memfd(code_fd.get(), dbus::limits::kCodeBytes);
  if (!typed) return done(std::unexpected(typed.error()));
  const auto bytes = typed->reveal();
  auto code = protocol::parse_code({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!code) return done(std::unexpected(code.error()));
  auto file = BundleFile::open(path);
  if (!file) return done(std::unexpected(file.error()));
  provisioning_under_way_ = true;
  // scrypt takes some tenths of a second: not on the loop thread.
  struct Work {
    BundleFile file;
    SecretBuffer code;
    Done done;
  };
  auto work = std::make_shared<Work>(std::move(*file), std::move(*code), std::move(done));
  const Status taken = parts_.run_aside([this, work]() -> keyring::TpmWorker::Completion {
    auto content = protocol::open_bundle(work->file.bytes(), work->code);
    return [this, work, content = std::move(content)]() mutable {
      provisioning_under_way_ = false;
      provision(std::move(content), std::move(work->file), std::move(work->done));
    };
  });
  if (taken) return;
  provisioning_under_way_ = false;
  work->done(taken);
}

void Node::provision_from_memfd(UniqueFd bundle, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto bytes = dbus::read_sealed_memfd(bundle.get(), protocol::kBundleBytes);
  if (!bytes) return done(std::unexpected(bytes.error()));
  provision(protocol::decode_direct_bundle(bytes->reveal()), std::nullopt, std::move(done));
}

Result<ControlPort::Offer> Node::offer_handover() {
  AKM_TRY(may_be_provisioned());
  AKM_ASSIGN(const HardwareIdentity identity, parts_.hardware.identity());
  AKM_ASSIGN(Offer offer, handover_.offer(identity, parts_.random, parts_.now()));
  say({.name = "handover-offered", .severity = 5, .fields = {{"fingerprint", offer.fingerprint}}}, {},
      "Credentials may come over the bus; compare the fingerprint with the one that the NMM shows");
  status_changed();
  return offer;
}

void Node::provision_sealed(std::vector<std::uint8_t> sealed, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  provision(handover_.open(sealed, parts_.now()), std::nullopt, std::move(done));
}

void Node::provision(Result<protocol::BundleContent> content, std::optional<BundleFile> file, Done done) {
  if (!content) return done(std::unexpected(content.error()));
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  if (const Status taken = take_credentials(*content); !taken) return done(taken);
  handover_.forget();
  // From here on the node is provisioned, also if the drive was pulled out.
  if (file) consume(*file, *content);
  say({.name = "provisioned",
       .severity = 5,
       .fields = {{"node", record_->identity.node_name},
                  {"node_id", hex_id(record_->identity.node_id)},
                  {"nmm", record_->identity.nmm_name},
                  {"nmm_id", hex_id(record_->identity.nmm_id)},
                  {"way", file ? "file" : "direct"}}},
      message_id::kProvisioned, "Provisioning credentials were stored");
  set_state(NodeState::provisioned);
  if (settings_.activate_automatically) activation_due_ = parts_.now();
  done({});
}

Status Node::take_credentials(const protocol::BundleContent& content) {
  AKM_ASSIGN(const bool used, records_->was_used(content.use_id));
  if (used) return fail(Errc::already_consumed);
  AKM_ASSIGN(const protocol::HardwareValue hardware, parts_.hardware.value());
  // A bundle for a machine that nobody had seen is for the all-zero value; the NMM binds it at activation.
  const protocol::HardwareValue& masked_with = content.unbound ? protocol::kUnknownHardware : hardware;
  AKM_ASSIGN(auto chains, protocol::unmask_chains(content.mask, masked_with, content.use_id));
  AKM_ASSIGN(const protocol::ReceiptKey receipt_key,
             protocol::receipt_key(chains[protocol::kChainCount - 1]));
  AKM_ASSIGN(auto asr, protocol::make_provisioning_asr(content.identity, std::move(chains)));
  const protocol::AsrId asr_id = content.identity.asr_id;
  Status installed = fail(Errc::internal, "the engine was not asked");
  shell_->post(protocol::InstallAsr{std::move(asr), protocol::kNodeIndex, true, 0},
               [&installed](const Status& status) { installed = status; });
  AKM_TRY(installed);
  // Until the record is there, nothing refers to the relationship: a crash here leaves the node unprovisioned
  // and the bundle unused.
  NodeRecord record{content.identity, hardware, content.use_id, NodeState::provisioned, {}, {}, false};
  AKM_ASSIGN(record.sources, parts_.hardware.digests());
  Status stored = records_->save_receipt_key(receipt_key);
  if (stored) stored = records_->save(record);
  if (stored) stored = records_->add_used(content.use_id);
  if (!stored) {
    [[maybe_unused]] const Status undone = records_->erase();  // the first error is what counts
    shell_->post(protocol::RetireAsr{asr_id});
    return stored;
  }
  record_ = std::move(record);
  link_.use(asr_id);
  activation_backoff_.reset();
  return {};
}

void Node::consume(BundleFile& file, const protocol::BundleContent& content) {
  const std::string receipt = "{\"akm-receipt\": 1, \"node\": \"" + hex_id(content.identity.node_id) +
                              "\", \"nmm\": \"" + hex_id(content.identity.nmm_id) +
                              "\", \"serial\": " + std::to_string(content.identity.serial) +
                              ", \"use_id\": \"" + hex(content.use_id) + "\"}\n";
  if (const Status consumed = file.consume(receipt); !consumed) {
    say({.name = "bundle-not-removed", .severity = 4, .fields = {{"error", consumed.error().message()}}}, {},
        "The bundle was used, but not wholly removed from the drive; remove it by hand");
  }
}

}  // namespace akm::node
