#include "daemon/node/key_exports.h"

#include <algorithm>

#include "daemon/base/hex.h"
#include "daemon/protocol/key_schedule.h"
#include "keyring/kernel_keyring.h"

namespace akm::node {
namespace {

using keyring::KeyId;

Result<KeyId> key_id(const ControlPort::KeyExport& what, std::uint32_t user) {
  if (!keyring::is_key_name(what.name))
    return fail(Errc::invalid_argument, "a consumer's name has 1 to 64 letters, digits, '.', '_' or '-'");
  if (what.context.size() > keyring::kExportContextMaxBytes)
    return fail(Errc::invalid_argument, "a context has at most 64 bytes");
  if (what.type != "user" && what.type != "logon")
    return fail(Errc::invalid_argument, "the type of a key is user or logon");
  const auto slot = what.type == "user" ? KeyId::Slot::user_export : KeyId::Slot::logon_export;
  return KeyId{what.asr_id, slot, what.name + (what.context.empty() ? "" : ":" + hex(what.context)), user};
}

}  // namespace

KeyExports::KeyExports(Parts parts, const std::vector<ConsumerRule>& rules)
    : parts_(std::move(parts)), access_(rules) {}

std::size_t KeyExports::count(protocol::AsrId asr_id, std::optional<std::uint32_t> user) const {
  return static_cast<std::size_t>(std::ranges::count_if(exports_, [&](const auto& one) {
    return one.first.asr_id == asr_id && (!user || one.first.user == *user);
  }));
}

/// From the session secret that the kernel holds, so that none comes after a breach has revoked that.
Status KeyExports::derive(const KeyId& id, Export& one, const protocol::AsrView& view) {
  const auto session = parts_.keys->get({id.asr_id, KeyId::Slot::current, {}});
  if (!session) return fail(Errc::wrong_state, "the relationship has no session now");
  const protocol::AsrDescription& asr = view.description;
  const protocol::KeyContext context{asr.suite, asr.id, asr.generation, asr.roster_hash()};
  AKM_ASSIGN(const SecretBuffer key, protocol::export_key(context, protocol::Chain::normal, view.epoch,
                                                          *session, one.consumer, one.context, one.bytes));
  AKM_ASSIGN(one.shown.serial, parts_.keys->put(id, key, protocol::key_timeout_s(asr.policy)));
  one.shown.generation = asr.generation;
  one.shown.epoch = view.epoch;
  return {};
}

Result<std::int32_t> KeyExports::add(const ControlPort::KeyExport& what, const Caller& caller) {
  AKM_ASSIGN(const KeyId id, key_id(what, caller.uid));
  const auto view = parts_.view(what.asr_id);
  if (!view || view->description.kind != protocol::Kind::operational)
    return fail(Errc::not_found, "no such operational relationship");
  AKM_ASSIGN(const ConsumerRule* const rule, access_.allow(view->description, what.name, what.type, caller));
  if (parts_.keys == nullptr) return fail(Errc::not_supported, "there is no kernel keyring");
  auto at = exports_.find(id);
  if (at != exports_.end() && at->second.bytes != rule->key_bytes)
    return fail(Errc::refused_by_policy, "another program of this user has this key with another length");
  if (at == exports_.end()) {
    if (count(what.asr_id, id.user) >= kExportsPerUser || count(what.asr_id, {}) >= kExportsPerAsr)
      return fail(Errc::limit_exceeded, "a relationship has at most 32 exported keys of a user, 256 of all");
    Export made{.consumer = what.name,
                .context = what.context,
                .bytes = rule->key_bytes,
                .shown = {.name = what.name, .context = hex(what.context), .type = what.type, .users = {}},
                .holders = {}};
    AKM_TRY(derive(id, made, *view));
    at = exports_.emplace(id, std::move(made)).first;
  }
  Export& found = at->second;
  const Holder holder{rule, what.keyring};
  const bool held = std::ranges::find(found.holders, holder) != found.holders.end();
  Status given = !held && found.holders.size() >= kHoldersPerExport
                     ? fail(Errc::limit_exceeded, "a key is in at most 32 keyrings")
                     : parts_.keys->give(id, what.keyring, caller.uid);
  if (given) {
    if (!held) found.holders.push_back(holder);
    return found.shown.serial;
  }
  if (found.holders.empty()) revoke(at, false);
  return std::unexpected(given.error());
}

Status KeyExports::release(protocol::AsrId asr_id, std::int32_t serial, const Caller& caller) {
  for (auto at = exports_.begin(); at != exports_.end(); ++at) {
    if (at->first.asr_id != asr_id || at->second.shown.serial != serial || at->first.user != caller.uid)
      continue;
    const auto view = parts_.view(asr_id);
    if (!view) break;
    AKM_ASSIGN(const ConsumerRule* const rule,
               access_.allow(view->description, at->second.consumer, at->second.shown.type, caller));
    if (std::erase_if(at->second.holders, [&](const Holder& one) { return one.rule == rule; }) == 0) break;
    if (at->second.holders.empty()) revoke(at, true);
    return {};
  }
  return fail(Errc::not_found, "this user's program holds no such key");
}

void KeyExports::session_changed(protocol::AsrId asr_id) {
  const auto view = parts_.view(asr_id);
  for (auto at = exports_.begin(); at != exports_.end();) {
    if (at->first.asr_id != asr_id) {
      ++at;
      continue;
    }
    Export& one = at->second;
    std::erase_if(one.holders,
                  [this](const Holder& holder) { return !parts_.keys->is_there(holder.keyring); });
    // Nobody is left who holds it, or there is no session that it could be of.
    const bool keep = !one.holders.empty() && view && renew(at->first, one, *view);
    at = keep ? std::next(at) : revoke(at, true);
  }
}

/// In place: who holds it has the new key under the same serial.
Status KeyExports::renew(const KeyId& id, Export& one, const protocol::AsrView& view) {
  const ExportedKey before = one.shown;
  AKM_TRY(derive(id, one, view));
  // It had ended by its timeout or somebody had revoked it: its holders cannot know the one made in its
  // place.
  if (one.shown.serial != before.serial) {
    one.shown = before;
    return fail(Errc::not_found, "the key was gone");
  }
  if (one.shown.generation != before.generation || one.shown.epoch != before.epoch)
    parts_.changed(id.asr_id, one.shown, false);
  return {};
}

KeyExports::Exports::iterator KeyExports::revoke(Exports::iterator at, bool say) {
  // What fails here ends by its timeout; the store counts it.
  (void)parts_.keys->revoke(at->first);
  const protocol::AsrId asr_id = at->first.asr_id;
  const ExportedKey gone = std::move(at->second.shown);
  at = exports_.erase(at);
  if (say) parts_.changed(asr_id, gone, true);
  return at;
}

void KeyExports::revoke_all() {
  // All of them before anybody is told.
  for (const auto& [id, one] : exports_) (void)parts_.keys->revoke(id);
  while (!exports_.empty()) revoke(exports_.begin(), true);
}

std::vector<ExportedKey> KeyExports::of(protocol::AsrId asr_id) const {
  std::vector<ExportedKey> out;
  for (const auto& [id, one] : exports_) {
    if (id.asr_id != asr_id) continue;
    out.push_back(one.shown);
    out.back().users.assign(one.holders.size(), id.user);
  }
  return out;
}

}  // namespace akm::node
