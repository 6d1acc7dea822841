// Section 7: credentials come as a bundle, once.
#include <algorithm>
#include <utility>

#include "daemon/base/hex.h"
#include "daemon/base/message_ids.h"
#include "daemon/crypto/digest.h"
#include "daemon/node/node.h"
#include "daemon/node/node_import.h"
#include "dbus/limits.h"
#include "dbus/sealed_memfd.h"

namespace akm::node {

Status Node::may_be_provisioned() const {
  if (!shell_) return fail(Errc::sealed_unavailable);
  if (leaving_) return fail(Errc::busy, "the state was erased, and the daemon starts anew");
  if (state_ != NodeState::unprovisioned) return fail(Errc::already_provisioned);
  if (import_) return fail(Errc::busy, "provisioning is under way");
  return {};
}

Node::SharedImport Node::begin_import(Done done) {
  import_ = std::make_shared<Import>();
  import_->done = std::move(done);
  return import_;
}

void Node::provision_from_file(const std::string& path, UniqueFd code_fd, Done done) {
  if (const Status allowed = may_be_provisioned(); !allowed) return done(allowed);
  const auto typed = dbus::read_sealed_memfd(code_fd.get(), dbus::limits::kCodeBytes);
  if (!typed) return done(std::unexpected(typed.error()));
  const auto bytes = typed->reveal();
  auto code = protocol::parse_code({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!code) return done(std::unexpected(code.error()));
  const SharedImport import = begin_import(std::move(done));
  import->path = path;
  import->also = settings_.drives_also;
  import->code = std::move(*code);
  aside(import, [](Import& one) { one.open_source(); }, &Node::found);
}

void Node::aside(const SharedImport& import, std::function<void(Import&)> work,
                 void (Node::*then)(const SharedImport&)) {
  const Status taken =
      parts_.run_aside([this, import, work = std::move(work), then]() -> keyring::TpmWorker::Completion {
        work(*import);
        return [this, import, then] {
          if (import == import_) (this->*then)(import);
        };
      });
  if (taken) return;
  if (then == &Node::opened) (void)tries_->give_back(import->digest);  // its code was not tried
  end_import(import, taken);
}

void Node::found(const SharedImport& import) {
  if (!import->source) return end_import(import, std::unexpected(import->source.error()));
  import->digest = crypto::sha256({import->source->bytes()});
  if (const Status may = tries_->begin(import->digest, parts_.now()); !may) return end_import(import, may);
  // scrypt takes some tenths of a second.
  aside(
      import, [](Import& one) { one.content = protocol::open_bundle(one.source->bytes(), one.code); },
      &Node::opened);
}

void Node::opened(const SharedImport& import) {
  if (!import->content) {
    Error error = import->content.error();
    if (error.code != Errc::wrong_code) {
      (void)tries_->give_back(import->digest);  // else it counts: more cautious, not wrong
      return end_import(import, std::unexpected(std::move(error)));
    }
    error.detail = tries_->failed(import->digest, parts_.now());
    say({.name = "wrong-code",
         .severity = 4,
         .fields = {{"tries_left", std::to_string(tries_->remaining(import->digest))}}},
        {}, "A one-time code did not open a bundle");
    status_changed();
    return end_import(import, std::unexpected(std::move(error)));
  }
  (void)tries_->opened(import->digest);  // else its tries count on, for a bundle that opens no more
  import_content(import);
}

/// By the TPM or from a token: there were no tries to count.
void Node::opened_without_code(const SharedImport& import) {
  if (!import->content) return end_import(import, std::unexpected(import->content.error()));
  import_content(import);
}

void Node::import_content(const SharedImport& import) {
  const protocol::BundleContent& content = *import->content;
  import->receipt = receipt_of(content);
  if (const Status noted = note_leftover(*import); !noted) return end_import(import, noted);
  if (const Status taken = take_up(content, import->way); !taken) {
    (void)records_->erase_leftover();  // where it stays, the use id is not among those that were used
    return end_import(import, taken);
  }
  // From here on the node is provisioned, also if the drive or the token was pulled out.
  import->consumed = fail(Errc::busy);
  const Status started = parts_.run_aside([this, import]() -> keyring::TpmWorker::Completion {
    import->consumed = import->consume(import->receipt);
    return [this, import] {
      if (import == import_) consumed(import);
    };
  });
  if (!started) consumed(import);
}

void Node::consumed(const SharedImport& import) {
  if (!import->consumed) {
    say({.name = "bundle-not-removed",
         .severity = 4,
         .fields = {{"error", import->consumed.error().message()}}},
        {}, "The bundle was used, but not wholly removed; remove it by hand");
    if (auto left = records_->leftover(); left && *left && import->source) leave_leftover(std::move(**left));
  } else if (import->source) {
    leftover_removed();
  }
  end_import(import, {});
}

void Node::end_import(const SharedImport& import, const Status& outcome) {
  import_.reset();
  std::exchange(import->done, {})(outcome);
}

/// A drive or a module may never come back from what it was asked.
void Node::abandon_import() {
  if (import_) end_import(SharedImport(import_), fail(Errc::busy, "the node was zeroized meanwhile"));
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
  AKM_ASSIGN(const HardwareIdentity identity, parts_.hardware.identity());
  AKM_ASSIGN(Offer offer, handover_.offer(identity, parts_.random, parts_.now()));
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
