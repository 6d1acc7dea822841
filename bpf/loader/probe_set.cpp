#include "bpf/loader/probe_set.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "bpf/include/akm_events.h"
#include "bpf/loader/decode.h"
#include "bpf/loader/folder_watch.h"
#include "bpf/loader/probe_object.h"
#include "bpf/loader/self_identity.h"

namespace akm::bpf {
namespace {

constexpr std::size_t kFoldersPerKind = 16;
constexpr std::size_t kCheckBudget = 8192;

Status check_options(const ProbeOptions& options) {
  const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  if (options.ring_bytes < page || (options.ring_bytes & (options.ring_bytes - 1)) != 0) {
    return fail(Errc::invalid_argument, "ring_bytes must be a power of two and at least a page");
  }
  for (const auto* list : {&options.state_folders, &options.config_folders}) {
    if (list->size() > kFoldersPerKind) return fail(Errc::invalid_argument, "more than 16 folders");
    for (const std::string& path : *list) {
      if (!path.starts_with('/') || path.size() + 2 > AKM_PREFIX_BYTES) {
        return fail(Errc::invalid_argument, path + ": not absolute, or longer than 190 bytes");
      }
    }
  }
  return {};
}

Result<std::vector<WatchedFolder>> identify_folders(const ProbeOptions& options) {
  std::vector<WatchedFolder> out;
  const auto add = [&](std::string path, Watch watch) -> Status {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return fail_errno(Errc::invalid_argument, path);
    if (!S_ISDIR(status.st_mode)) return fail(Errc::invalid_argument, path + " is no folder");
    out.push_back({path, watch, status.st_dev, status.st_ino});
    return {};
  };
  for (const std::string& path : options.state_folders) AKM_TRY(add(path, Watch::state));
  for (const std::string& path : options.config_folders) AKM_TRY(add(path, Watch::config));
  return out;
}

/// 32-bit calls run no system call tracepoints (x86 says so to the tracer), and 64-bit programs can make
/// them. The sysctl is there when the kernel was built with them.
std::string compat_note() {
  if (::access("/proc/sys/abi/vsyscall32", F_OK) != 0) return {};
  return "32-bit calls are not seen on this tier (ia32_emulation=0 at boot removes them)";
}

class Probes final : public ProbeSet {
 public:
  Probes(std::unique_ptr<ProbeObject> object, std::vector<WatchedFolder> folders)
      : object_(std::move(object)), folders_(std::move(folders)) {}
  ~Probes() override { ring_buffer__free(ring_); }
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  Status start(const SelfIdentity& identity);

  [[nodiscard]] int fd() const override { return epoll_.get(); }
  Drained drain(std::size_t budget, const RecordHandler& handler) override;
  Status guard_keys(std::span<const std::int32_t> serials, std::int32_t keyring) override;
  std::vector<SensorFinding> check(const RecordHandler& handler) override;
  [[nodiscard]] std::vector<ProbeHealth> health() const override;
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override;

 private:
  static int take_record(void* context, void* data, size_t size) noexcept;
  Status watch_folders(const SelfIdentity& identity);
  Status add_prefix(const std::string& text, bool whole, std::uint8_t watch);
  [[nodiscard]] bool beat(const RecordHandler& handler);
  void forget_ended_threads();
  [[nodiscard]] std::uint64_t dropped(std::uint32_t reason) const;
  void check_drops(std::vector<SensorFinding>& findings);
  void check_folders(std::vector<SensorFinding>& findings);
  [[nodiscard]] ProbeHealth folder_health() const;

  std::unique_ptr<ProbeObject> object_;
  std::vector<WatchedFolder> folders_;
  std::set<std::string> replaced_;  // folders told as replaced
  std::optional<FolderWatch> folder_watch_;
  std::string folder_watch_reason_;
  ring_buffer* ring_ = nullptr;
  UniqueFd epoll_;
  std::map<std::int32_t, std::uint8_t> guarded_;

  // Of the drain under way: libbpf calls back with one context.
  const RecordHandler* handler_ = nullptr;
  std::size_t budget_ = 0;
  std::size_t handed_ = 0;

  std::uint64_t beat_ = 0;
  std::uint64_t beat_seen_ = 0;
  bool silent_ = false;
  std::array<std::uint64_t, AKM_DROP_REASONS> drops_told_{};
  std::uint64_t records_ = 0;
  std::uint64_t garbled_ = 0;
  std::uint64_t overflows_ = 0;
};

Status Probes::start(const SelfIdentity& identity) {
  ring_ = ring_buffer__new(object_->map_fd("ring"), &Probes::take_record, this, nullptr);
  if (ring_ == nullptr) return fail_errno(Errc::probe_failed, "ring buffer");
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno(Errc::probe_failed, "epoll");
  epoll_event event{.events = EPOLLIN, .data = {}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, object_->map_fd("ring"), &event) != 0) {
    return fail_errno(Errc::probe_failed, "epoll on the ring buffer");
  }
  AKM_TRY(watch_folders(identity));
  AKM_TRY(object_->attach());

  // The first beat registers our threads: before it no access to our process is recognised.
  std::size_t early = 0;
  if (!beat([&early](const ProbeRecord&) { ++early; })) silent_ = true;
  return {};
}

Status Probes::add_prefix(const std::string& text, bool whole, std::uint8_t watch) {
  akm_prefix_key key{};
  if (text.size() >= sizeof(key.path)) return fail(Errc::invalid_argument, text + ": too long");
  text.copy(key.path, text.size());
  key.bits = static_cast<std::uint32_t>((text.size() + (whole ? 1 : 0)) * 8);  // whole: the NUL counts
  if (bpf_map_update_elem(object_->map_fd("watched_prefixes"), &key, &watch, BPF_ANY) != 0) {
    return fail_errno(Errc::probe_failed, "watched_prefixes");
  }
  return {};
}

Status Probes::watch_folders(const SelfIdentity& identity) {
  for (const WatchedFolder& folder : folders_) {
    const std::uint8_t watch = folder.watch == Watch::state ? AKM_WATCH_STATE : AKM_WATCH_CONFIG;
    AKM_TRY(add_prefix(folder.path, true, watch));
    AKM_TRY(add_prefix(folder.path + "/", false, watch));
    const akm_folder_key key{.inode = folder.inode,
                             .device = (gnu_dev_major(folder.device) << 20) | gnu_dev_minor(folder.device),
                             .zero = 0};
    if (bpf_map_update_elem(object_->map_fd("watched_folders"), &key, &watch, BPF_ANY) != 0) {
      return fail_errno(Errc::probe_failed, "watched_folders");
    }
  }
  // For io_uring, which is judged by the name: our memory, and that of our threads.
  const std::string proc = "/proc/" + std::to_string(identity.tgid);
  AKM_TRY(add_prefix(proc + "/mem", true, AKM_WATCH_PROCESS));
  AKM_TRY(add_prefix(proc + "/task/", false, AKM_WATCH_PROCESS));

  auto watch = FolderWatch::open(folders_);
  if (!watch) {
    folder_watch_reason_ = watch.error().message();
    return {};
  }
  folder_watch_ = std::move(*watch);
  epoll_event event{.events = EPOLLIN, .data = {}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, folder_watch_->fd(), &event) != 0) {
    return fail_errno(Errc::probe_failed, "epoll on fanotify");
  }
  return {};
}

int Probes::take_record(void* context, void* data, size_t size) noexcept {
  auto* self = static_cast<Probes*>(context);
  const auto decoded = decode_event({static_cast<const std::uint8_t*>(data), size});
  if (!decoded) {
    ++self->garbled_;
  } else if (const auto* probe = std::get_if<SelfProbe>(&*decoded)) {
    self->beat_seen_ = probe->beat;
  } else if (const auto* record = std::get_if<ProbeRecord>(&*decoded)) {
    ++self->records_;
    ++self->handed_;
    (*self->handler_)(*record);
  }
  // A negative answer stops libbpf after this record was taken off the ring.
  return self->handed_ >= self->budget_ ? -ECANCELED : 0;
}

ProbeSet::Drained Probes::drain(std::size_t budget, const RecordHandler& handler) {
  Drained out;
  if (budget == 0) return {.records = 0, .more = true};
  handler_ = &handler;
  budget_ = budget;
  handed_ = 0;
  const int result = ring_buffer__consume(ring_);
  handler_ = nullptr;
  out.records = handed_;
  out.more = result == -ECANCELED;
  if (folder_watch_ && !out.more) {
    const auto from_folders = folder_watch_->drain(budget - out.records, [&](const ProbeRecord& record) {
      ++records_;
      handler(record);
    });
    out.records += from_folders.records;
    out.more = from_folders.more;
  }
  return out;
}

Status Probes::guard_keys(std::span<const std::int32_t> serials, std::int32_t keyring) {
  std::map<std::int32_t, std::uint8_t> wanted;
  for (const std::int32_t serial : serials) {
    if (serial > 0) wanted[serial] = AKM_GUARDED_KEY;
  }
  if (keyring > 0) wanted[keyring] = AKM_GUARDED_KEYRING;
  if (wanted.size() > AKM_MAX_KEYS) return fail(Errc::limit_exceeded, "guarded keys");

  const int map = object_->map_fd("guarded_keys");
  // Old ones first, so that a full map has room.
  for (auto at = guarded_.begin(); at != guarded_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    if (bpf_map_delete_elem(map, &at->first) != 0 && errno != ENOENT)
      return fail_errno(Errc::probe_failed, "guarded keys");
    at = guarded_.erase(at);
  }
  for (const auto& [serial, kind] : wanted) {
    if (const auto known = guarded_.find(serial); known != guarded_.end() && known->second == kind) continue;
    if (bpf_map_update_elem(map, &serial, &kind, BPF_ANY) != 0)
      return fail_errno(Errc::probe_failed, "guarded keys");
    guarded_[serial] = kind;
  }
  return {};
}

bool Probes::beat(const RecordHandler& handler) {
  ++beat_;
  // The kernel knows no such operation: the call fails and changes nothing, but passes the tracepoint.
  (void)::syscall(SYS_keyctl, AKM_SELF_PROBE, beat_, 0, 0, 0);
  while (drain(kCheckBudget, handler).more && beat_seen_ != beat_) {
  }
  if (beat_seen_ != beat_) return false;
  forget_ended_threads();
  return true;
}

// A number that ended with its thread may be given to another process, which would then be taken for us.
void Probes::forget_ended_threads() {
  const int map = object_->map_fd("our_pids");
  std::vector<akm_pid_key> ended;
  akm_pid_key key{};
  const void* previous = nullptr;
  while (bpf_map_get_next_key(map, previous, &key) == 0 && ended.size() <= AKM_MAX_PIDS) {
    std::uint64_t registered = 0;
    if (bpf_map_lookup_elem(map, &key, &registered) == 0 && registered != beat_) ended.push_back(key);
    previous = &key;
  }
  for (const akm_pid_key& one : ended) (void)bpf_map_delete_elem(map, &one);
}

std::uint64_t Probes::dropped(std::uint32_t reason) const {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return 0;
  std::vector<std::uint64_t> per_cpu(static_cast<std::size_t>(cpus));
  if (bpf_map_lookup_elem(object_->map_fd("drops"), &reason, per_cpu.data()) != 0) return 0;
  std::uint64_t sum = 0;
  for (const std::uint64_t count : per_cpu) sum += count;
  return sum;
}

void Probes::check_drops(std::vector<SensorFinding>& findings) {
  // The other reasons are counters only: fanotify sees what a call without a readable path does, and of
  // refused attempts enough are told.
  constexpr std::pair<std::uint32_t, const char*> kTold[] = {
      {AKM_DROP_RING_FULL, "the ring buffer was full"},
      {AKM_DROP_PENDING_FULL, "too many watched calls at once: outcomes are unknown"},
      {AKM_DROP_PIDS_FULL, "more threads than can be registered"},
  };
  for (const auto& [reason, text] : kTold) {
    const std::uint64_t now = dropped(reason);
    if (now == drops_told_[reason]) continue;
    findings.push_back({SensorFinding::Kind::records_lost, text, now - drops_told_[reason]});
    drops_told_[reason] = now;
  }
  const std::uint64_t overflows = folder_watch_ ? folder_watch_->take_overflows() : 0;
  overflows_ += overflows;
  if (overflows != 0)
    findings.push_back({SensorFinding::Kind::records_lost, "the fanotify queue was full", overflows});
}

// A mount over a folder, or another folder in its place, hides the object that everything else watches.
void Probes::check_folders(std::vector<SensorFinding>& findings) {
  for (const WatchedFolder& folder : folders_) {
    struct stat status{};
    const bool same = ::stat(folder.path.c_str(), &status) == 0 && status.st_dev == folder.device &&
                      status.st_ino == folder.inode;
    if (same) {
      replaced_.erase(folder.path);
    } else if (replaced_.insert(folder.path).second) {
      findings.push_back({SensorFinding::Kind::folder_replaced, folder.path + " is another folder now", 1});
    }
  }
}

std::vector<SensorFinding> Probes::check(const RecordHandler& handler) {
  std::vector<SensorFinding> findings;
  // A second try: the ring may have been full when the first was made.
  const bool arrived = beat(handler) || beat(handler);
  if (!arrived && !silent_) {
    findings.push_back({SensorFinding::Kind::silent, "the record of the self-probe did not arrive", 1});
  }
  silent_ = !arrived;
  for (std::string& gone : object_->take_gone_links()) {
    findings.push_back({SensorFinding::Kind::probe_gone, std::move(gone), 1});
  }
  check_drops(findings);
  check_folders(findings);
  return findings;
}

ProbeHealth Probes::folder_health() const {
  const GroupState& calls = object_->state(Group::folders);
  const GroupState& opens = object_->state(Group::process);
  ProbeHealth out{"D10", "none", false, {}};
  if (calls.attached && opens.attached) out.tier = calls.tier;
  if (folder_watch_) out.tier = out.tier == "none" ? "fanotify" : out.tier + " + fanotify";
  out.attached = calls.attached && opens.attached && folder_watch_.has_value();
  if (!calls.attached) out.detail = calls.reason;
  if (!folder_watch_) out.detail += (out.detail.empty() ? "" : "; ") + folder_watch_reason_;
  if (out.attached) out.detail = "chattr by ioctl is not seen";
  return out;
}

std::vector<ProbeHealth> Probes::health() const {
  std::vector<ProbeHealth> out;
  const GroupState& keys = object_->state(Group::keys);
  const GroupState& process = object_->state(Group::process);
  const GroupState& uring = object_->state(Group::io_uring);
  out.push_back({"D1", keys.tier, keys.attached, keys.attached ? compat_note() : keys.reason});
  std::string detail = process.reason;
  if (process.attached) {
    detail =
        uring.attached ? "io_uring opens are judged by their path" : "io_uring is not seen: " + uring.reason;
    if (const std::string note = compat_note(); !note.empty()) detail += "; " + note;
  }
  out.push_back({"D2", process.tier, process.attached, detail});
  out.push_back(folder_health());
  out.push_back(
      {"D32", "heartbeat", !silent_ && object_->live_links() == object_->links(),
       std::to_string(object_->live_links()) + " of " + std::to_string(object_->links()) + " links alive"});
  return out;
}

std::map<std::string, std::uint64_t> Probes::counters() const {
  return {
      {"probe_records", records_},
      {"probe_records_garbled", garbled_},
      {"probe_lost_ring_full", dropped(AKM_DROP_RING_FULL)},
      {"probe_lost_pending_full", dropped(AKM_DROP_PENDING_FULL)},
      {"probe_lost_no_path", dropped(AKM_DROP_NO_PATH)},
      {"probe_lost_pids_full", dropped(AKM_DROP_PIDS_FULL)},
      {"probe_lost_refused", dropped(AKM_DROP_REFUSED)},
      {"probe_lost_fanotify", overflows_},
      {"probe_links", object_->live_links()},
      {"probe_heartbeats", beat_},
  };
}

}  // namespace

std::string_view sensor_finding_name(SensorFinding::Kind kind) {
  switch (kind) {
    case SensorFinding::Kind::records_lost:
      return "records-lost";
    case SensorFinding::Kind::probe_gone:
      return "probe-gone";
    case SensorFinding::Kind::silent:
      return "silent";
    case SensorFinding::Kind::folder_replaced:
      return "folder-replaced";
  }
  return "unknown";
}

Result<std::unique_ptr<ProbeSet>> ProbeSet::open(const ProbeOptions& options) {
  AKM_TRY(check_options(options));
  AKM_ASSIGN(std::vector<WatchedFolder> folders, identify_folders(options));
  AKM_ASSIGN(const SelfIdentity identity, self_identity());
  AKM_ASSIGN(std::unique_ptr<ProbeObject> object, ProbeObject::load(identity, options.ring_bytes));
  auto probes = std::make_unique<Probes>(std::move(object), std::move(folders));
  AKM_TRY(probes->start(identity));
  return probes;
}

}  // namespace akm::bpf
