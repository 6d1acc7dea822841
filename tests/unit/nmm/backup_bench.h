#pragma once
// What a backup of a bench's NMM holds, without the half second that sealing it takes.
#include "daemon/nmm/backup_content.h"
#include "daemon/nmm/reported.h"
#include "daemon/nmm/root_secret.h"
#include "dbus/sealed_memfd.h"
#include "tests/unit/nmm/nmm_net.h"

namespace akm::nmm::test {

inline BackupContent content_of(NmmNet& net) {
  BackupContent out;
  SeededRandom random(5);
  RootSecret root(net.store, random);
  Registry registry(net.store);
  if (!root.load() || !registry.load()) return out;
  out.issue.nmm_id = root.nmm_id();
  out.issue.secrets = std::move(*root.read_all());
  out.issue.reported = registry.last_change();
  out.issue.incarnation = 7;
  out.name = "north";
  out.made_s = 1'700'000'000;
  for (const auto& [id, node] : registry.nodes()) out.nodes.push_back(reported(node));
  for (const auto& [id, asr] : registry.asrs()) out.asrs.push_back(reported(asr));
  return out;
}

/// Of an NMM whose backups cost little.
inline NmmSettings cheap() {
  NmmSettings out;
  out.scrypt.n = 16384;
  return out;
}

inline UniqueFd memfd(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("test", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

/// Each node beats, again and again.
inline void live(NmmNet& net, int seconds) {
  for (int i = 0; i < seconds; i += 10) {
    for (const auto& node : net.nodes) {
      if (!node->down) node->heartbeat();
    }
    net.run(std::chrono::seconds(10));
  }
}

/// Another machine, with nothing on its disk.
inline void replace_machine(NmmNet& net) {
  net.store.records.clear();
  net.restart_nmm();
}

/// It takes the NMM's place; it has started anew, and has called its nodes.
inline Status restore_elsewhere(NmmNet& net, const BackupContent& content) {
  replace_machine(net);
  AKM_TRY(net.nmm->restoration().take(content));
  net.restart_nmm();
  return {};
}

}  // namespace akm::nmm::test
