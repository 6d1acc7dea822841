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
#include <optional>
#include <system_error>

#include "akm_probes.skel.h"
#include "bpf/include/akm_events.h"
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
  std::string event;
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
                                        (last_warning().empty() ? "" : " (" + last_warning() + ")"));
  }
  return skeleton;
}

class LoadedObject final : public ProbeObject {
 public:
  LoadedObject(Skeleton skeleton, Chosen chosen, std::map<Group, GroupState> states,
               std::optional<PinFolder> pins)
      : pins_(std::move(pins)),
        skeleton_(std::move(skeleton)),
        chosen_(std::move(chosen)),
        states_(std::move(states)) {}

  Status attach() override;
  [[nodiscard]] int map_fd(const char* name) const override {
    return bpf_object__find_map_fd_by_name(skeleton_->obj, name);
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
  Status attach_one(Group group, const Attachment& attachment, const Tracefs& tracefs);

  std::optional<PinFolder> pins_;
  Skeleton skeleton_;
  Chosen chosen_;
  std::map<Group, GroupState> states_;
  std::vector<Link> links_;
};

Result<UniqueFd> hang(int program_fd, const Attachment& attachment, const Tracefs& tracefs) {
  const std::string event(attachment.event);
  if (attachment.category == "lsm" || attachment.category == "fentry") {
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

Status LoadedObject::attach_one(Group group, const Attachment& attachment, const Tracefs& tracefs) {
  bpf_program* program =
      bpf_object__find_program_by_name(skeleton_->obj, std::string(attachment.program).c_str());
  if (program == nullptr) return fail(Errc::probe_failed, std::string(attachment.program));
  Link link{.fd = {},
            .group = group,
            .event = std::string(group_name(group)) + "-" + std::string(attachment.event)};
  AKM_ASSIGN(link.fd, hang(bpf_program__fd(program), attachment, tracefs));
  if (!read_ids(link.fd.get(), link.link_id, link.program_id))
    return fail_errno(Errc::probe_failed, link.event);
  // Without a pin it works as well, but dies slowly.
  if (pins_ && pins_->pin(link.fd.get(), link.event)) link.fd.reset();
  links_.push_back(std::move(link));
  return {};
}

Status LoadedObject::attach_variant(const Variant& variant, const Tracefs& tracefs) {
  std::size_t attached = 0;
  for (const auto list : {variant.attachments, variant.also}) {
    for (const Attachment& attachment : list) {
      const Status status = attach_one(variant.group, attachment, tracefs);
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
  return {};
}

std::vector<std::string> LoadedObject::take_gone_links() {
  std::vector<std::string> gone;
  for (Link& link : links_) {
    if (!link.alive) continue;
    std::uint32_t link_id = 0;
    std::uint32_t program_id = 0;
    const UniqueFd pinned = link.fd || !pins_ ? UniqueFd() : pins_->get(link.event);
    const bool same = read_ids(link.fd ? link.fd.get() : pinned.get(), link_id, program_id) &&
                      link_id == link.link_id && program_id == link.program_id;
    if (same) continue;
    link.alive = false;
    GroupState& state = states_[link.group];
    state.attached = false;
    state.reason = link.event + " is no longer attached";
    gone.push_back(link.event);
  }
  return gone;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> LoadedObject::object_ids() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> out;
  const bpf_map* map = nullptr;
  while ((map = bpf_object__next_map(skeleton_->obj, map)) != nullptr) {
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &size) == 0)
      out.emplace_back(AKM_OBJECT_MAP, info.id);
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

Result<std::unique_ptr<ProbeObject>> ProbeObject::load(const ProbeChoice& choice) {
  (void)libbpf_set_print(&keep_warning);
  ProbeChoice tried = choice;
  Chosen chosen;
  AKM_ASSIGN(Skeleton skeleton, load_best(tried, chosen));
  std::map<Group, GroupState> states;
  for (const Group group : kGroups) states[group] = {};
  for (const auto& [variant, reason] : tried.refused) {
    GroupState& state = states[variant.first];
    (chosen.contains(variant.first) ? state.better : state.reason) = reason;
  }
  std::optional<PinFolder> pins;
  if (auto opened = PinFolder::open()) pins = std::move(*opened);
  return std::make_unique<LoadedObject>(std::move(skeleton), std::move(chosen), std::move(states),
                                        std::move(pins));
}

}  // namespace akm::bpf
