#include "bpf/loader/probe_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <system_error>

#include "akm_probes.skel.h"
#include "bpf/include/akm_events.h"
#include "bpf/loader/kernel_gaps.h"
#include "bpf/loader/pin_folder.h"
#include "bpf/loader/tracefs.h"

namespace akm::bpf {
namespace {

std::string& last_warning() {
  static std::string text;
  return text;
}

// libbpf explains itself on stderr; the last line of it is the reason that people need.
[[gnu::format(printf, 2, 0)]] int keep_warning(enum libbpf_print_level level, const char* format,
                                               va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 256> line{};
  (void)std::vsnprintf(line.data(), line.size(), format, arguments);
  std::string text(line.data());
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  // The verifier's log comes as one warning of many lines.
  last_warning() = text.substr(0, text.find('\n'));
  return 0;
}

struct DestroySkeleton {
  void operator()(akm_probes* skeleton) const { akm_probes__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<akm_probes, DestroySkeleton>;

struct Link {
  UniqueFd fd;  // none when the link is pinned
  Group group{};
  std::string name;  // of the pin
  std::uint32_t link_id = 0;
  std::uint32_t program_id = 0;
  bool alive = true;
};

using Chosen = std::map<Group, const Variant*>;

bool uses(const Variant& variant, std::string_view program) {
  const auto is_it = [&](const Attachment& a) { return a.program == program; };
  return std::ranges::any_of(variant.attachments, is_it) || std::ranges::any_of(variant.also, is_it);
}

/// Opens the object with only the programs of these variants and loads it.
Result<Skeleton> try_load(const Chosen& chosen, const ProbeChoice& choice) {
  Skeleton skeleton(akm_probes__open());
  if (!skeleton) return fail_errno(Errc::probe_failed, "BPF object");
  (void)bpf_map__set_max_entries(skeleton->maps.ring, choice.ring_bytes);
  (void)bpf_map__set_max_entries(skeleton->maps.critical_ring, choice.critical_ring_bytes);

  bpf_program* program = nullptr;
  while ((program = bpf_object__next_program(skeleton->obj, program)) != nullptr) {
    const std::string_view name = bpf_program__name(program);
    const bool wanted =
        std::ranges::any_of(chosen, [&](const auto& entry) { return uses(*entry.second, name); });
    (void)bpf_program__set_autoload(program, wanted);
  }
  last_warning().clear();
  if (const int error = akm_probes__load(skeleton.get()); error != 0) {
    return fail(Errc::probe_failed, std::generic_category().message(-error) +
                                        (last_warning().empty() ? "" : " (" + last_warning() + ")") +
                                        kernel_gaps());
  }
  return skeleton;
}

/// Names of pins: bpffs takes no dots.
constexpr std::string_view kMapPin = "map-";
constexpr std::string_view kLinkPin = "link-";
constexpr std::string_view kBuildPin = "build-";

/// Of this build's programs: another build's maps and records may look otherwise. FNV-1a.
std::string build_name() {
  std::size_t size = 0;
  const auto* bytes = static_cast<const unsigned char*>(akm_probes__elf_bytes(&size));
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
  return std::string(kBuildPin) + std::to_string(hash);
}

class LoadedObject final : public ProbeObject {
 public:
  LoadedObject(Skeleton skeleton, Chosen chosen, std::map<Group, GroupState> states,
               std::shared_ptr<const PinFolder> pins)
      : pins_(std::move(pins)),
        skeleton_(std::move(skeleton)),
        chosen_(std::move(chosen)),
        states_(std::move(states)) {
    const bpf_map* map = nullptr;
    while ((map = bpf_object__next_map(skeleton_->obj, map)) != nullptr)
      maps_[bpf_map__name(map)] = bpf_map__fd(map);
  }
  explicit LoadedObject(std::shared_ptr<const PinFolder> pins) : pins_(std::move(pins)) {
    for (const Group group : kGroups) states_[group] = {};
  }

  /// False when something is missing.
  bool take_up();
  Status attach() override;
  [[nodiscard]] int map_fd(const char* name) const override {
    const auto found = maps_.find(name);
    return found == maps_.end() ? -1 : found->second;
  }
  [[nodiscard]] const GroupState& state(Group group) const override { return states_.at(group); }
  [[nodiscard]] std::size_t links() const override { return links_.size(); }
  [[nodiscard]] std::size_t live_links() const override {
    return static_cast<std::size_t>(
        std::ranges::count_if(links_, [](const Link& link) { return link.alive; }));
  }
  [[nodiscard]] std::optional<Tier> tier(Group group) const override {
    const auto found = chosen_.find(group);
    return found == chosen_.end() ? std::nullopt : std::optional(found->second->tier);
  }
  void not_proven(Group group) override {
    GroupState& state = states_[group];
    state.attached = false;
    state.reason = "its self-test was not seen";
  }
  std::vector<std::string> take_gone_links() override;
  [[nodiscard]] std::vector<std::pair<std::uint32_t, std::uint32_t>> object_ids() const override;

 private:
  Status attach_variant(const Variant& variant, const Tracefs& tracefs);
  Status attach_one(const Variant& variant, const Attachment& attachment, const Tracefs& tracefs);
  bool take_up_link(const std::string& name);
  void pin_maps();

  std::shared_ptr<const PinFolder> pins_;
  Skeleton skeleton_;  // none when the object was taken up
  std::map<std::string, int> maps_;
  std::vector<UniqueFd> own_maps_;  // of an object that was taken up
  Chosen chosen_;
  std::map<Group, GroupState> states_;
  std::vector<Link> links_;
};

Result<UniqueFd> hang(int program_fd, const Attachment& attachment, const Tracefs& tracefs) {
  const std::string event(attachment.event);
  if (attachment.category == "lsm" || attachment.category == "fentry" || attachment.category == "fexit") {
    UniqueFd link(bpf_raw_tracepoint_open(nullptr, program_fd));
    if (!link) return fail_errno(Errc::probe_failed, event);
    return link;
  }
  if (attachment.category == "raw") {
    UniqueFd link(bpf_raw_tracepoint_open(event.c_str(), program_fd));
    if (!link) return fail_errno(errno == ENOENT ? Errc::not_found : Errc::probe_failed, event);
    return link;
  }
  AKM_ASSIGN(const std::uint64_t id, tracefs.event_id(attachment.category, attachment.event));
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = id;
  // The program runs on every processor; the event must only exist on one. The link keeps it.
  const UniqueFd perf(
      static_cast<int>(::syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!perf) return fail_errno(Errc::probe_failed, "perf event " + event);
  LIBBPF_OPTS(bpf_link_create_opts, options, .perf_event = {.bpf_cookie = attachment.cookie});
  UniqueFd link(bpf_link_create(program_fd, perf.get(), BPF_PERF_EVENT, &options));
  if (!link) return fail_errno(Errc::probe_failed, event);
  return link;
}

bool read_ids(int link_fd, std::uint32_t& link_id, std::uint32_t& program_id) {
  bpf_link_info info{};
  std::uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(link_fd, &info, &size) != 0) return false;
  link_id = info.id;
  program_id = info.prog_id;
  return true;
}

Status LoadedObject::attach_one(const Variant& variant, const Attachment& attachment,
                                const Tracefs& tracefs) {
  bpf_program* program =
      bpf_object__find_program_by_name(skeleton_->obj, std::string(attachment.program).c_str());
  if (program == nullptr) return fail(Errc::probe_failed, std::string(attachment.program));
  Link link{.fd = {},
            .group = variant.group,
            .name = std::string(kLinkPin) + std::string(tier_name(variant.tier)) + "-" +
                    std::string(group_name(variant.group)) + "-" + std::string(attachment.event)};
  AKM_ASSIGN(link.fd, hang(bpf_program__fd(program), attachment, tracefs));
  if (!read_ids(link.fd.get(), link.link_id, link.program_id))
    return fail_errno(Errc::probe_failed, link.name);
  // Without a pin it works as well, but dies slowly.
  if (pins_ && pins_->pin(link.fd.get(), link.name)) link.fd.reset();
  links_.push_back(std::move(link));
  return {};
}

// The build's name comes last: without it nobody takes the rest up.
void LoadedObject::pin_maps() {
  if (!pins_ || !pins_->outlives()) return;
  bool all = std::ranges::none_of(links_, [](const Link& link) { return static_cast<bool>(link.fd); });
  for (const auto& [name, fd] : maps_) {
    // The constants of the object come as a map too, with a dot in its name; nobody reads it from here.
    if (name.find('.') == std::string::npos) all = pins_->pin(fd, std::string(kMapPin) + name) && all;
  }
  if (all) (void)pins_->pin(maps_.at("control"), build_name());
}

bool LoadedObject::take_up_link(const std::string& name) {
  Link link{.fd = {}, .group = {}, .name = name};
  const UniqueFd fd = pins_->get(name);
  if (!fd || !read_ids(fd.get(), link.link_id, link.program_id)) return false;
  for (const Variant& variant : variants()) {
    const std::string begin = std::string(kLinkPin) + std::string(tier_name(variant.tier)) + "-" +
                              std::string(group_name(variant.group)) + "-";
    if (!name.starts_with(begin)) continue;
    link.group = variant.group;
    chosen_[variant.group] = &variant;
    states_[variant.group] = {
        .tier = std::string(tier_name(variant.tier)), .attached = true, .reason = {}, .better = {}};
    links_.push_back(std::move(link));
    return true;
  }
  return false;
}

bool LoadedObject::take_up() {
  for (const std::string& name : pins_->names()) {
    if (name.starts_with(kLinkPin) && !take_up_link(name)) return false;
    if (!name.starts_with(kMapPin)) continue;
    UniqueFd map = pins_->get(name);
    if (!map) return false;
    maps_[name.substr(kMapPin.size())] = map.get();
    own_maps_.push_back(std::move(map));
  }
  for (const Group group : kGroups) {
    if (chosen_.contains(group)) continue;
    states_[group] = {.tier = "absent", .attached = true, .reason = {}, .better = {}};
  }
  return !links_.empty() && map_fd("critical_ring") >= 0 && map_fd("ring") >= 0 && map_fd("control") >= 0;
}

Status LoadedObject::attach_variant(const Variant& variant, const Tracefs& tracefs) {
  std::size_t attached = 0;
  for (const auto list : {variant.attachments, variant.also}) {
    for (const Attachment& attachment : list) {
      const Status status = attach_one(variant, attachment, tracefs);
      if (status) {
        ++attached;
        continue;
      }
      const bool lacks = attachment.need == Need::optional && status.error().code == Errc::not_found;
      if (!lacks) return status;
    }
  }
  if (attached == 0) return fail(Errc::not_found, "this kernel has nothing of the kind");
  return {};
}

Status LoadedObject::attach() {
  if (!skeleton_) return {};  // it is attached already
  if (pins_) pins_->clear();
  AKM_ASSIGN(const Tracefs tracefs, Tracefs::open());
  std::string reason = "no variant was loaded";
  bool any = false;
  for (const auto& [group, variant] : chosen_) {
    GroupState& state = states_[group];
    const Status status = attach_variant(*variant, tracefs);
    const bool absent = !status && status.error().code == Errc::not_found;
    state.attached = status.has_value() || absent;
    if (status) {
      state.tier = tier_name(variant->tier);
      any = true;
    } else {
      // Half a tier would look like a whole one.
      std::erase_if(links_, [&](const Link& link) { return link.group == group; });
      if (absent) state.tier = "absent";
      state.reason = reason = status.error().message();
    }
  }
  if (!any) return fail(Errc::probe_failed, reason);
  pin_maps();
  return {};
}

std::vector<std::string> LoadedObject::take_gone_links() {
  std::vector<std::string> gone;
  for (Link& link : links_) {
    if (!link.alive) continue;
    std::uint32_t link_id = 0;
    std::uint32_t program_id = 0;
    const UniqueFd pinned = link.fd || !pins_ ? UniqueFd() : pins_->get(link.name);
    const bool same = read_ids(link.fd ? link.fd.get() : pinned.get(), link_id, program_id) &&
                      link_id == link.link_id && program_id == link.program_id;
    if (same) continue;
    link.alive = false;
    GroupState& state = states_[link.group];
    state.attached = false;
    state.reason = link.name + " is no longer attached";
    gone.push_back(link.name);
  }
  return gone;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> LoadedObject::object_ids() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
  for (const auto& [name, fd] : maps_) {
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0) out.emplace_back(AKM_OBJECT_MAP, info.id);
  }
  for (const Link& link : links_) {
    out.emplace_back(AKM_OBJECT_LINK, link.link_id);
    out.emplace_back(AKM_OBJECT_PROGRAM, link.program_id);
  }
  return out;
}

/// A tier that this kernel has not at all (LSM and fentry need trampolines) is found out with one program.
void refuse_missing_tiers(ProbeChoice& choice) {
  for (const Tier tier : {Tier::lsm, Tier::fentry}) {
    std::string reason;
    for (const Variant& variant : variants()) {
      if (variant.tier != tier || choice.refused.contains({variant.group, tier})) continue;
      if (reason.empty()) {
        const auto alone = try_load({{variant.group, &variant}}, choice);
        if (alone) break;
        reason = std::string(tier_name(tier)) + ": " + alone.error().detail;
      }
      choice.refused.emplace(std::pair(variant.group, tier), reason);
    }
  }
}

Chosen first_variants(const ProbeChoice& choice) {
  Chosen out;
  for (const Variant& variant : variants()) {
    if (!choice.refused.contains({variant.group, variant.tier})) out.emplace(variant.group, &variant);
  }
  return out;
}

/// The best variants together is the common case; a failure is tracked down variant by variant.
Result<Skeleton> load_best(ProbeChoice& choice, Chosen& chosen) {
  refuse_missing_tiers(choice);
  chosen = first_variants(choice);
  auto skeleton = try_load(chosen, choice);
  if (skeleton) return skeleton;
  for (const Variant& variant : variants()) {
    if (choice.refused.contains({variant.group, variant.tier})) continue;
    const auto alone = try_load({{variant.group, &variant}}, choice);
    if (!alone) {
      choice.refused.emplace(std::pair(variant.group, variant.tier),
                             std::string(tier_name(variant.tier)) + ": " + alone.error().detail);
    }
  }
  chosen = first_variants(choice);
  if (chosen.empty()) return skeleton;
  return try_load(chosen, choice);
}

}  // namespace

std::optional<Tier> worse_tier(Group group, Tier tier) {
  bool passed = false;
  for (const Variant& variant : variants()) {
    if (variant.group != group) continue;
    if (passed) return variant.tier;
    passed = variant.tier == tier;
  }
  return std::nullopt;
}

Result<std::unique_ptr<ProbeObject>> ProbeObject::load(const ProbeChoice& choice,
                                                       std::shared_ptr<const PinFolder> pins) {
  (void)libbpf_set_print(&keep_warning);
  ProbeChoice tried = choice;
  Chosen chosen;
  AKM_ASSIGN(Skeleton skeleton, load_best(tried, chosen));
  std::map<Group, GroupState> states;
  for (const Group group : kGroups) states[group] = {};
  for (const auto& [variant, reason] : tried.refused) {
    GroupState& state = states[variant.first];
    // In order: of the best that is missing.
    std::string& told = chosen.contains(variant.first) ? state.better : state.reason;
    if (told.empty()) told = reason;
  }
  if (!pins) {
    if (auto opened = PinFolder::open()) pins = std::make_shared<const PinFolder>(std::move(*opened));
  }
  return std::make_unique<LoadedObject>(std::move(skeleton), std::move(chosen), std::move(states),
                                        std::move(pins));
}

std::unique_ptr<ProbeObject> ProbeObject::adopt(std::shared_ptr<const PinFolder> pins) {
  (void)libbpf_set_print(&keep_warning);
  auto object = std::make_unique<LoadedObject>(pins);
  const bool ours = static_cast<bool>(pins->get(build_name()));
  if (ours && object->take_up()) return object;
  object.reset();
  pins->clear();
  return nullptr;
}

}  // namespace akm::bpf
