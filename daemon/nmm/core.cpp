#include "daemon/nmm/core.h"

#include "daemon/base/hex.h"
#include "daemon/base/log.h"
#include "daemon/base/message_ids.h"

namespace akm::nmm {

Core::Core(const Parts& parts, NmmSettings the_settings)
    : random(parts.random),
      shell(parts.shell),
      events(parts.events),
      run_aside(parts.run_aside),
      audit(parts.audit),
      settings(std::move(the_settings)),
      registry(parts.store),
      root(parts.store, parts.random),
      credentials(parts.store, parts.random),
      clock(parts.store),
      requests([this](protocol::Event event,
                      Requests::AfterStep after) { post(std::move(event), std::move(after)); },
               [this] { return now(); }),
      departures(registry, requests),
      policy_changes(registry, requests),
      node_policies({parts.store, registry, requests, [this] { return now(); },
                     [this](std::string_view name, std::uint8_t severity, std::string_view sentence,
                            std::map<std::string, std::string> fields) {
                       announce(name, severity, message_id::kPolicyChanged, sentence, 0, std::move(fields));
                     }}),
      generations({registry, credentials, requests, departures, clock}) {}

void Core::asr_changed(protocol::AsrId asr_id) {
  if (observer.asr_changed) observer.asr_changed(asr_id);
}

void Core::status_changed() {
  if (observer.status_changed) observer.status_changed();
}

void Core::announce(std::string_view name, std::uint8_t severity, std::string_view message_id,
                    std::string_view sentence, protocol::AsrId asr_id,
                    std::map<std::string, std::string> fields) {
  EventRecord record;
  record.name = name;
  record.severity = severity;
  record.boottime_ns = now().ns;
  record.asr_id = asr_id;
  record.fields = std::move(fields);
  if (witness) witness(record);
  events.add(std::move(record), message_id, sentence);
}

Status Core::put(NodeRecord record) {
  Registry::Change change;
  change.node = std::move(record);
  return put(std::move(change));
}

Status Core::put(Registry::Change change) {
  const std::string name = change.node ? change.node->name : "";
  Status stored = registry.put(std::move(change));
  if (!stored)
    log::error("a node's record could not be stored: " + stored.error().message(), {{"AKM_NODE", name}});
  return stored;
}

std::string Core::name_of(protocol::NodeId node_id) const {
  const NodeRecord* node = registry.node(node_id);
  return node != nullptr ? node->name : hex_id(node_id);
}

Result<std::uint64_t> draw_id(RandomSource& random) {
  std::uint64_t id = 0;
  while (id == 0) {
    AKM_ASSIGN(id, random_u64(random));
  }
  return id;
}

}  // namespace akm::nmm
