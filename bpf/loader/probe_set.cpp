#include "bpf/loader/probe_set.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "bpf/include/akm_events.h"
#include "bpf/loader/decode.h"
#include "bpf/loader/folder_watch.h"
#include "bpf/loader/generic_netlink.h"
#include "bpf/loader/pin_folder.h"
#include "bpf/loader/probe_counts.h"
#include "bpf/loader/probe_object.h"
#include "bpf/loader/self_identity.h"
#include "bpf/loader/self_test.h"
#include "bpf/loader/watch_list.h"
#include "bpf/loader/watch_maps.h"

namespace akm::bpf {
namespace {

constexpr std::size_t kFoldersPerKind = 16;
constexpr std::size_t kCheckBudget = 8192;

Status check_options(const ProbeOptions& options) {
  const auto page = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));
  for (const std::uint32_t bytes : {options.ring_bytes, options.critical_ring_bytes}) {
    if (bytes < page || (bytes & (bytes - 1)) != 0)
      return fail(Errc::invalid_argument, "a ring must be a power of two and at least a page");
  }
  if (options.service_folders.size() > kFoldersPerKind)
    return fail(Errc::invalid_argument, "more than 16 folders");
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

/// Its keys, its process, its state, its BPF objects: nobody else has business there.
constexpr akm_watch kDenied[] = {AKM_WATCH_KEY, AKM_WATCH_PROCESS, AKM_WATCH_STATE, AKM_WATCH_BPF_OURS,
                                 AKM_WATCH_SENSOR};
constexpr std::size_t kEarlyRecords = 64;
constexpr std::size_t kGapRecords = 4096;  // more than both rings hold

class Probes final : public ProbeSet {
 public:
  Probes(std::unique_ptr<ProbeObject> object, ProbeOptions options, std::vector<WatchedFolder> folders,
         std::string pins, bool adopted)
      : adopted_(adopted),
        pins_(std::move(pins)),
        object_(std::move(object)),
        options_(std::move(options)),
        folders_(std::move(folders)),
        counts_(object_->map_fd("counts")) {}
  ~Probes() override;
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  /// Everything, the self-test too.
  Status start(const SelfIdentity& identity);
  /// Groups whose variant did not attach or was not seen to fire, and that have a worse one.
  [[nodiscard]] std::vector<std::pair<Group, Tier>> failed_variants() const { return failed_; }

  [[nodiscard]] int fd() const override { return epoll_.get(); }
  Drained drain(std::size_t budget, const RecordHandler& handler) override;
  Status guard_keys(std::span<const std::int32_t> serials, std::int32_t keyring) override;
  std::vector<SensorFinding> check(const RecordHandler& handler) override;
  [[nodiscard]] std::vector<ProbeHealth> health() const override;
  [[nodiscard]] std::string pin_folder() const override { return options_.pin_folder; }
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const override;

 private:
  static int take_record(void* context, void* data, size_t size) noexcept;
  Status watch_folders();
  Status write_control();
  void guard_objects();
  Status prove();
  [[nodiscard]] bool beat(const RecordHandler& handler);
  void forget_ended_threads();
  void check_drops(std::vector<SensorFinding>& findings);
  void check_folders(std::vector<SensorFinding>& findings);

  /// What an earlier process left, before anything of it is written over.
  void take_over();

  bool adopted_ = false;
  std::string pins_;  // "pinned in ...", or why not
  std::unique_ptr<ProbeObject> object_;
  ProbeOptions options_;
  std::vector<WatchedFolder> folders_;
  ProbeCounts counts_;
  akm_control control_{};
  SelfTest* self_test_ = nullptr;  // while it runs
  bool proven_ = false;
  std::vector<ProbeRecord> early_;  // others' records of the time of the self-test
  std::vector<std::pair<Group, Tier>> failed_;
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

  std::vector<SensorFinding> first_findings_;
  std::uint32_t host_tgid_ = 0;
  std::uint64_t beat_ = 0;
  std::uint64_t beat_seen_ = 0;
  bool silent_ = false;
  std::array<std::uint64_t, AKM_COUNTS> drops_told_{};
  std::uint64_t records_ = 0;
  std::uint64_t garbled_ = 0;
  std::uint64_t overflows_ = 0;
};

// The programs stay where they are pinned. Nothing is denied any more: who comes after us could not begin.
// What this process still does, to its state say, is ours to its end; its number may be another's then.
Probes::~Probes() {
  if (!options_.pin_folder.empty()) {
    std::ranges::fill(control_.deny, std::uint8_t{0});
    (void)write_control();
    ++beat_;
    forget_ended_threads();
  }
  ring_buffer__free(ring_);
}

void Probes::take_over() {
  const std::uint32_t zero = 0;
  akm_control before{};
  if (bpf_map_lookup_elem(object_->map_fd("control"), &zero, &before) == 0) {
    const auto now = static_cast<std::uint64_t>(boottime_now().ns);
    const std::uint64_t gap = now > before.heartbeat_ns ? now - before.heartbeat_ns : 0;
    control_.lost_told = before.lost_told;
    if (before.heartbeat_limit_ns != 0 && gap > before.heartbeat_limit_ns) {
      first_findings_.push_back({SensorFinding::Kind::unwatched,
                                 "nobody watched for " + std::to_string(gap / 1'000'000'000) + " s",
                                 counts_.all(AKM_COUNT_UNWATCHED)});
    }
  }
  for (std::size_t what = 0; what < AKM_COUNTS; ++what)
    drops_told_[what] = counts_.all(static_cast<akm_count>(what));
  drops_told_[AKM_COUNT_RING_FULL] = control_.lost_told;
  std::int32_t serial = 0;
  const void* previous = nullptr;
  const int keys = object_->map_fd("guarded_keys");
  while (guarded_.size() < AKM_MAX_KEYS && bpf_map_get_next_key(keys, previous, &serial) == 0) {
    (void)bpf_map_lookup_elem(keys, &serial, &guarded_[serial]);
    previous = &serial;
  }
  empty_watch_maps(*object_);
}

Status Probes::start(const SelfIdentity& identity) {
  // What may be critical is read first.
  ring_ = ring_buffer__new(object_->map_fd("critical_ring"), &Probes::take_record, this, nullptr);
  if (ring_ == nullptr || ring_buffer__add(ring_, object_->map_fd("ring"), &Probes::take_record, this) != 0)
    return fail_errno(Errc::probe_failed, "ring buffer");
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno(Errc::probe_failed, "epoll");
  for (const char* ring : {"critical_ring", "ring"}) {
    epoll_event event{.events = EPOLLIN, .data = {}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, object_->map_fd(ring), &event) != 0)
      return fail_errno(Errc::probe_failed, "epoll on the ring buffer");
  }
  control_.tgid = identity.tgid;
  control_.pid_ns_device = identity.pid_ns_device;
  control_.pid_ns_inode = identity.pid_ns_inode;
  control_.mount_ns = identity.mount_ns;
  control_.heartbeat_limit_ns = static_cast<std::uint64_t>(options_.heartbeat_limit.count());
  for (const akm_watch watch : kDenied) control_.deny[watch] = options_.deny ? 1 : 0;
  if (adopted_) take_over();
  AKM_TRY(write_control());
  AKM_TRY(write_watch_list(
      *object_, make_watch_list(folders_, options_.service_folders, options_.pin_folder, identity.tgid)));
  AKM_TRY(watch_folders());
  AKM_TRY(object_->attach());
  guard_objects();
  return prove();
}

Status Probes::write_control() {
  const std::uint32_t zero = 0;
  control_.heartbeat_ns = static_cast<std::uint64_t>(boottime_now().ns);
  // It comes and goes with its module. Only who sees the message can compare it.
  const auto sockets = object_->tier(Group::sockets);
  if (sockets && *sockets != Tier::tracepoint)
    if (const auto family = generic_family("wireguard")) control_.wireguard_family = *family;
  if (bpf_map_update_elem(object_->map_fd("control"), &zero, &control_, BPF_ANY) != 0)
    return fail_errno(Errc::probe_failed, "control map");
  return {};
}

// The first beat registers our threads: before it no access to our process is recognised.
Status Probes::prove() {
  const RecordHandler keep = [this](const ProbeRecord& record) {
    if (early_.size() < (adopted_ ? kGapRecords : kEarlyRecords)) early_.push_back(record);
  };
  if (!beat(keep)) silent_ = true;
  // Between our start and this moment the programs did not know us.
  std::erase_if(early_, [this](const ProbeRecord& record) {
    return record.source != "fanotify" && record.tgid == host_tgid_;
  });
  SelfTest test(*object_, control_);
  AKM_TRY(test.run());
  self_test_ = &test;
  while (drain(kCheckBudget, keep).more) {
  }
  self_test_ = nullptr;
  proven_ = true;
  for (const Group group : kGroups) {
    const auto tier = object_->tier(group);
    if (!tier || object_->state(group).tier == "absent") continue;
    const bool attached = object_->state(group).attached;
    if (attached && test.proven(group)) continue;
    if (worse_tier(group, *tier)) failed_.emplace_back(group, *tier);
    if (attached) object_->not_proven(group);
  }
  return {};
}

// Over the limit the rest is guarded by the heartbeat alone.
void Probes::guard_objects() {
  const std::uint8_t ours = 1;
  for (const auto& [kind, id] : object_->object_ids()) {
    const akm_object_key key{.kind = kind, .id = id};
    (void)bpf_map_update_elem(object_->map_fd("our_objects"), &key, &ours, BPF_ANY);
  }
}

Status Probes::watch_folders() {
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
    self->host_tgid_ = probe->tgid;
    self->control_.started_ns = probe->started_ns;
  } else if (const auto* record = std::get_if<ProbeRecord>(&*decoded);
             record != nullptr && record->self_test) {
    // Others cannot make such a record; later ones than the test's are what it provoked late.
    if (self->self_test_ != nullptr) self->self_test_->seen(*record);
  } else if (record != nullptr) {
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
  handed_ = 0;
  if (proven_ && !early_.empty()) {
    handed_ = std::min(budget, early_.size());
    const std::vector<ProbeRecord> early(early_.begin(),
                                         early_.begin() + static_cast<std::ptrdiff_t>(handed_));
    early_.erase(early_.begin(), early_.begin() + static_cast<std::ptrdiff_t>(handed_));
    for (const ProbeRecord& record : early) handler(record);
    if (handed_ >= budget) return {.records = handed_, .more = true};
  }
  handler_ = &handler;
  budget_ = budget;
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
  if (!write_control()) return false;
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

void Probes::check_drops(std::vector<SensorFinding>& findings) {
  // The others are counters only: fanotify sees the unreadable path; of refused attempts enough are told.
  constexpr std::pair<akm_count, const char*> kTold[] = {
      {AKM_COUNT_RING_FULL, "the ring buffer was full"},
      {AKM_COUNT_CRITICAL_LIMITED, "root did one critical thing so often that not each was told"},
      {AKM_COUNT_PENDING_FULL, "too many watched calls at once: outcomes are unknown"},
      {AKM_COUNT_PIDS_FULL, "more threads than can be registered"},
  };
  for (const auto& [reason, text] : kTold) {
    const std::uint64_t now = counts_.all(reason);
    if (now == drops_told_[reason]) continue;
    findings.push_back({SensorFinding::Kind::records_lost, text, now - drops_told_[reason]});
    drops_told_[reason] = now;
  }
  control_.lost_told = drops_told_[AKM_COUNT_RING_FULL];
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
  std::vector<SensorFinding> findings = std::exchange(first_findings_, {});
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

std::vector<ProbeHealth> Probes::health() const {
  std::vector<ProbeHealth> out = row_health(*object_, folder_watch_reason_);
  out.push_back({"D32", "heartbeat", !silent_ && object_->live_links() == object_->links(),
                 std::to_string(object_->live_links()) + " of " + std::to_string(object_->links()) +
                     " links alive; " + pins_});
  return out;
}

std::map<std::string, std::uint64_t> Probes::counters() const {
  auto out = counts_.named();
  out.insert({{"probe_records", records_},
              {"probe_records_garbled", garbled_},
              {"probe_lost_fanotify", overflows_},
              {"probe_links", object_->live_links()},
              {"probe_heartbeats", beat_}});
  return out;
}

}  // namespace

Result<std::unique_ptr<ProbeSet>> ProbeSet::open(const ProbeOptions& options) {
  AKM_TRY(check_options(options));
  AKM_ASSIGN(std::vector<WatchedFolder> folders, identify_folders(options));
  AKM_ASSIGN(const SelfIdentity identity, self_identity());
  std::shared_ptr<const PinFolder> pins;
  std::string pinned = "not pinned: they end with the daemon";
  ProbeOptions used = options;
  if (!options.pin_folder.empty()) {
    if (auto folder = PinFolder::open_at(options.pin_folder)) {
      pins = std::make_shared<const PinFolder>(std::move(*folder));
      pinned = "pinned in " + options.pin_folder;
    } else {
      pinned = "not pinned: " + folder.error().message();
      used.pin_folder.clear();
    }
  }
  if (auto adopted = pins ? ProbeObject::adopt(pins) : nullptr) {
    auto probes = std::make_unique<Probes>(std::move(adopted), used, folders, pinned + ", taken up", true);
    if (probes->start(identity) && probes->failed_variants().empty()) return probes;
  }
  ProbeChoice choice{
      .ring_bytes = options.ring_bytes, .critical_ring_bytes = options.critical_ring_bytes, .refused = {}};
  // Each round takes at least one variant away; what has no worse one stays, and its health says so.
  for (;;) {
    AKM_ASSIGN(std::unique_ptr<ProbeObject> object, ProbeObject::load(choice, pins));
    auto probes = std::make_unique<Probes>(std::move(object), used, folders, pinned, false);
    AKM_TRY(probes->start(identity));
    const auto failed = probes->failed_variants();
    if (failed.empty()) return probes;
    for (const auto& variant : failed)
      choice.refused.emplace(variant,
                             std::string(tier_name(variant.second)) + ": its self-test was not seen");
  }
}

}  // namespace akm::bpf
