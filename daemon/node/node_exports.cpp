// Keys that the node gives to local consumers: who asked, who got one, and that it changed.
#include "daemon/base/hex.h"
#include "daemon/node/node.h"

namespace akm::node {
namespace {

constexpr Duration kRefusalPause = std::chrono::seconds(10);

}  // namespace

Result<std::int32_t> Node::export_key(const KeyExport& what, const Caller& caller) {
  if (!shell_) return fail(Errc::sealed_unavailable);
  auto serial = exports_.add(what, caller);
  ++counters_[serial ? "keys_exported" : "key_exports_refused"];
  // Anybody can ask: a flood of refusals must not push other events out of the history.
  if (!serial && parts_.now() < export_refusal_not_before_) return serial;
  if (!serial) export_refusal_not_before_ = parts_.now() + kRefusalPause;
  EventRecord event{
      .name = serial ? "key-exported" : "key-export-refused",
      .severity = static_cast<std::uint8_t>(serial ? 6 : 5),
      .asr_id = what.asr_id,
      .fields = {
          {"type", what.type}, {"uid", std::to_string(caller.uid)}, {"pid", std::to_string(caller.pid)}}};
  if (serial) {
    event.fields.emplace("consumer", what.name);
    event.fields.emplace("serial", std::to_string(*serial));
  } else {
    event.fields.emplace("reason", serial.error().message());
  }
  say(std::move(event), {}, serial ? "A local consumer has a key" : "A local consumer got no key");
  return serial;
}

Status Node::release_key(std::uint64_t asr_id, std::int32_t serial, const Caller& caller) {
  return exports_.release(asr_id, serial, caller);
}

void Node::export_changed(protocol::AsrId asr_id, const ExportedKey& key, bool revoked) {
  if (observer_.key_changed) observer_.key_changed(asr_id, key, revoked);
  if (!revoked) return;
  say({.name = "key-export-ended",
       .severity = 6,
       .asr_id = asr_id,
       .fields = {{"consumer", key.name}, {"serial", std::to_string(key.serial)}}},
      {}, "A local consumer's key was revoked");
}

}  // namespace akm::node
