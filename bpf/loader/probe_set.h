#pragma once
// The BPF programs that watch a node's keys, process, folders and kernel: loads what this kernel takes,
// proves that it fires, reads what it sees, and notices when it stops seeing (docs/detections.md).
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bpf/loader/probe_health.h"
#include "bpf/loader/probe_record.h"
#include "bpf/loader/watch_list.h"
#include "daemon/base/instant.h"
#include "daemon/base/result.h"

namespace akm::bpf {

struct ProbeOptions {
  /// Absolute paths of existing directories, at most 16 each; D10 is critical on state, evidence on
  /// configuration.
  std::vector<std::string> state_folders;
  std::vector<std::string> config_folders;
  /// Where only files that bear our name are watched (D19); by default those of systemd, polkit and D-Bus.
  std::vector<std::string> service_folders = default_service_folders();
  /// Powers of two, at least one page. A record takes 392 bytes. The second ring is kept for what may be
  /// critical.
  std::uint32_t ring_bytes = 256 * 1024;
  std::uint32_t critical_ring_bytes = 128 * 1024;
  /// Where the tier can: what is done to our keys, process, state and BPF objects is refused, not only told.
  bool deny = true;
  /// A folder on a mounted bpffs: the programs stay there when we end, and who comes after us takes them up
  /// with what they saw meanwhile. Empty: they end with us.
  std::string pin_folder;
  /// A record that is made this long after the last check says that nobody watched.
  Duration heartbeat_limit = std::chrono::seconds(30);
};

class ProbeSet {
 public:
  using RecordHandler = std::function<void(const ProbeRecord&)>;

  /// Tries each variant of each detection in order; what cannot be attached is said in health() and is no
  /// error, as long as anything can. probe_failed with the reason when nothing can (no CAP_BPF, no BPF in the
  /// kernel): the daemon goes on and counts that as a finding. Our process is the one that calls this.
  static Result<std::unique_ptr<ProbeSet>> open(const ProbeOptions& options);
  virtual ~ProbeSet() = default;

  /// One descriptor for the loop: readable when a critical record waits. Others wait for the next drain or
  /// check.
  [[nodiscard]] virtual int fd() const = 0;

  struct Drained {
    std::size_t records = 0;  // handed to the handler
    bool more = false;        // the budget ended it: call again in the next turn
  };
  /// Hands over at most `budget` records. Garbled records are counted and dropped. Our own calls never
  /// appear.
  virtual Drained drain(std::size_t budget, const RecordHandler& handler) = 0;

  /// The serials whose foreign use is D1, replacing those before; limit_exceeded above 4096. `keyring` (0:
  /// none) is guarded too, but for reading: listing it shows no secret, and `keyctl show` does it.
  virtual Status guard_keys(std::span<const std::int32_t> serials, std::int32_t keyring) = 0;

  /// The heartbeat, on the caller's timer (5 s is a good one) and after threads were started: makes a
  /// harmless system call and sees that its record arrives, that every link and program is alive, that the
  /// folders are still the same objects, and reads the kernel's drop counters. Registers our present threads.
  /// Records that waited go to `handler`.
  virtual std::vector<SensorFinding> check(const RecordHandler& handler) = 0;

  [[nodiscard]] virtual std::vector<ProbeHealth> health() const = 0;
  /// Where the programs are pinned; empty when they end with us.
  [[nodiscard]] virtual std::string pin_folder() const { return {}; }
  /// probe_records, probe_records_garbled, probe_made, probe_lost_ring_full, probe_lost_..., for each watch
  /// probe_made_key and probe_lost_key, probe_links, probe_heartbeats. What was made and not lost was read,
  /// or waits.
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> counters() const = 0;
};

}  // namespace akm::bpf
