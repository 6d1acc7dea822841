#include "bpf/loader/gate_hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>

#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "bpf/loader/libbpf_warning.h"

namespace akm::bpf {
namespace {

// Linux 6.6; the headers of Debian 12 do not have it. The kernel's number is fixed.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
constexpr std::uint32_t kFilterPriority = 0x414b;

// Native XDP first, since it saves most. A classifier before generic XDP: that one copies each packet of the
// interface, of all programs, that is cloned or in fragments, and drops hardly earlier. So does the driver of
// a container's cable, whose bulk TCP is half as fast with native XDP, and as fast as before with a
// classifier.
constexpr std::string_view kCopyingDriver = "veth";
constexpr HookKind kCopied[] = {HookKind::tcx, HookKind::tc, HookKind::xdp_native, HookKind::xdp_generic};
constexpr HookKind kAutomatic[] = {HookKind::xdp_native, HookKind::tcx, HookKind::tc, HookKind::xdp_generic};
constexpr HookKind kXdp[] = {HookKind::xdp_native};
constexpr HookKind kXdpGeneric[] = {HookKind::xdp_generic};
constexpr HookKind kTc[] = {HookKind::tcx, HookKind::tc};

std::span<const HookKind> kinds_of(GateMode mode, const NetworkInterface& interface) {
  switch (mode) {
    case GateMode::automatic:
      break;
    case GateMode::xdp:
      return kXdp;
    case GateMode::xdp_generic:
      return kXdpGeneric;
    case GateMode::tc:
      return kTc;
  }
  return driver_of(interface.name) == kCopyingDriver ? std::span<const HookKind>(kCopied) : kAutomatic;
}

bool is_xdp(HookKind kind) {
  return kind == HookKind::xdp_native || kind == HookKind::xdp_generic;
}

std::uint32_t id_of_program(int fd) {
  bpf_prog_info info{};
  std::uint32_t size = sizeof info;
  return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 ? info.id : 0;
}

bpf_tc_hook filter_hook(unsigned interface) {
  bpf_tc_hook hook{};
  hook.sz = sizeof hook;
  hook.ifindex = static_cast<int>(interface);
  hook.attach_point = BPF_TC_INGRESS;
  return hook;
}

bpf_tc_opts filter_options(std::uint32_t owner) {
  bpf_tc_opts options{};
  options.sz = sizeof options;
  options.handle = owner;
  options.priority = kFilterPriority;
  return options;
}

}  // namespace

std::string_view hook_name(HookKind kind) {
  switch (kind) {
    case HookKind::xdp_native:
      return "XDP";
    case HookKind::xdp_generic:
      return "generic XDP";
    case HookKind::tcx:
      return "tcx";
    case HookKind::tc:
      return "tc";
  }
  return "unknown";
}

Result<GateHook> GateHook::attach(const GatePrograms& programs, const NetworkInterface& interface,
                                  GateMode mode, std::uint32_t owner) {
  std::string reasons;
  for (const HookKind kind : kinds_of(mode, interface)) {
    auto hook = attach_as(kind, programs, interface, owner);
    if (hook) return hook;
    reasons += (reasons.empty() ? "" : "; ") + std::string(hook_name(kind)) + ": " + hook.error().detail;
  }
  return fail(Errc::probe_failed, interface.name + " (" + reasons + ")");
}

Result<GateHook> GateHook::attach_as(HookKind kind, const GatePrograms& programs,
                                     const NetworkInterface& interface, std::uint32_t owner) {
  if (is_xdp(kind) && !interface.ethernet) return fail(Errc::probe_failed, "no Ethernet header on this link");
  GateHook hook(kind, interface, owner);
  AKM_TRY(hook.hang(programs));
  return hook;
}

GateHook::~GateHook() {
  take_down();
}

GateHook::GateHook(GateHook&& other) noexcept
    : kind_(other.kind_),
      interface_(std::move(other.interface_)),
      owner_(other.owner_),
      link_(std::move(other.link_)),
      program_id_(std::exchange(other.program_id_, 0)) {}

GateHook& GateHook::operator=(GateHook&& other) noexcept {
  if (this == &other) return *this;
  take_down();
  kind_ = other.kind_;
  interface_ = std::move(other.interface_);
  owner_ = other.owner_;
  link_ = std::move(other.link_);
  program_id_ = std::exchange(other.program_id_, 0);
  return *this;
}

Status GateHook::hang(const GatePrograms& programs) {
  const LibbpfWarning quiet;
  const int classifier = interface_.ethernet ? programs.classifier : programs.network_classifier;
  if (kind_ == HookKind::tc) return hang_filter(classifier);
  bpf_link_create_opts options{};
  options.sz = sizeof options;
  if (is_xdp(kind_)) options.flags = kind_ == HookKind::xdp_native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  link_.reset(bpf_link_create(is_xdp(kind_) ? programs.xdp : classifier, static_cast<int>(interface_.index),
                              is_xdp(kind_) ? BPF_XDP : kTcxIngress, &options));
  if (link_) return {};
  return fail(Errc::probe_failed, std::generic_category().message(errno));
}

/// The filter of a daemon that was killed is replaced.
Status GateHook::hang_filter(int program_fd) {
  bpf_tc_hook hook = filter_hook(interface_.index);
  if (const int made = bpf_tc_hook_create(&hook); made != 0 && made != -EEXIST)
    return fail(Errc::probe_failed, std::generic_category().message(-made));
  bpf_tc_opts options = filter_options(owner_);
  options.prog_fd = program_fd;
  options.flags = BPF_TC_F_REPLACE;
  if (const int error = bpf_tc_attach(&hook, &options); error != 0)
    return fail(Errc::probe_failed, std::generic_category().message(-error));
  program_id_ = id_of_program(program_fd);
  return {};
}

void GateHook::take_down() {
  link_.reset();
  if (std::exchange(program_id_, 0) == 0) return;
  const LibbpfWarning quiet;
  bpf_tc_hook hook = filter_hook(interface_.index);
  const bpf_tc_opts options = filter_options(owner_);
  (void)bpf_tc_detach(&hook, &options);
}

bool GateHook::alive() const {
  if (kind_ == HookKind::tc) {
    const LibbpfWarning quiet;
    bpf_tc_hook hook = filter_hook(interface_.index);
    bpf_tc_opts options = filter_options(owner_);
    return bpf_tc_query(&hook, &options) == 0 && options.prog_id == program_id_;
  }
  // The interface of a tcx link stands at the same place as that of an XDP link; 0 once it is detached.
  bpf_link_info info{};
  std::uint32_t size = sizeof info;
  return link_ && bpf_obj_get_info_by_fd(link_.get(), &info, &size) == 0 && info.xdp.ifindex != 0;
}

}  // namespace akm::bpf
