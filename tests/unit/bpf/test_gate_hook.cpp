#include "bpf/loader/gate_hook.h"

#include <bpf/bpf.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <unistd.h>

#include <optional>

// The skeleton needs its types.
// clang-format off
#include "bpf/include/akm_gate.h"
#include "akm_gate.skel.h"
// clang-format on
#include "bpf/loader/libbpf_warning.h"

using namespace akm;
using namespace akm::bpf;

namespace {

/// The loopback of a network namespace of its own, and loaded programs.
struct Bench {
  const LibbpfWarning quiet;
  akm_gate* skeleton = nullptr;
  NetworkInterface lo;
  GatePrograms programs;

  Bench() {
    if (::unshare(CLONE_NEWNET) != 0) cr_skip_test("needs root");
    skeleton = akm_gate__open_and_load();
    if (skeleton == nullptr) cr_skip_test("%s", LibbpfWarning::last().c_str());
    programs = {bpf_program__fd(skeleton->progs.gate_xdp), bpf_program__fd(skeleton->progs.gate_tc),
                bpf_program__fd(skeleton->progs.gate_tc_network)};
    const auto all = network_interfaces();
    lo = all->front();
  }
  ~Bench() { akm_gate__destroy(skeleton); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  [[nodiscard]] Result<GateHook> attach(GateMode mode, std::uint32_t owner = 7) const {
    return GateHook::attach(programs, lo, mode, owner);
  }
};

}  // namespace

Test(gate_hook, the_loopback_has_no_driver_for_xdp) {
  const Bench bench;
  const auto native = bench.attach(GateMode::xdp);
  cr_assert_not(native.has_value());
  cr_assert_eq(native.error().code, Errc::probe_failed);
  cr_assert(native.error().detail.starts_with("lo (XDP: "));
  const auto hook = bench.attach(GateMode::automatic);
  cr_assert(hook.has_value());
  cr_assert(hook->kind() == HookKind::tcx || hook->kind() == HookKind::tc);
  cr_assert(hook->alive());
}

Test(gate_hook, each_kind_hangs_and_goes_with_its_owner) {
  const Bench bench;
  for (const HookKind kind : {HookKind::xdp_generic, HookKind::tcx, HookKind::tc}) {
    for (int round = 0; round < 2; ++round) {  // the first one is gone, or the second could not hang
      auto hook = GateHook::attach_as(kind, bench.programs, bench.lo, 7);
      if (!hook && kind == HookKind::tcx) break;  // before Linux 6.6
      cr_assert(hook.has_value(), "%s", std::string(hook_name(kind)).c_str());
      GateHook moved = std::move(*hook);
      cr_assert(moved.alive());
      cr_assert_eq(moved.kind(), kind);
      cr_assert_eq(moved.interface().name, "lo");
    }
  }
}

Test(gate_hook, a_filter_that_was_left_behind_is_replaced) {
  const Bench bench;
  const auto left = GateHook::attach_as(HookKind::tc, bench.programs, bench.lo, 7);
  cr_assert(left.has_value() && left->alive());
  const GatePrograms others{bench.programs.xdp, bench.programs.network_classifier, bench.programs.classifier};
  const auto next = GateHook::attach_as(HookKind::tc, others, bench.lo, 7);
  cr_assert(next.has_value() && next->alive());
  cr_assert_not(left->alive(), "another program hangs in its place");
  const auto beside = GateHook::attach_as(HookKind::tc, bench.programs, bench.lo, 8);
  cr_assert(beside.has_value() && beside->alive() && next->alive(), "that of another daemon stays");
}

Test(gate_hook, one_xdp_program_has_an_interface_and_classifiers_stand_side_by_side) {
  const Bench bench;
  const auto first = bench.attach(GateMode::xdp_generic);
  cr_assert(first.has_value());
  cr_assert_not(bench.attach(GateMode::xdp_generic, 8).has_value());
  const auto second = bench.attach(GateMode::automatic, 8);
  const auto third = bench.attach(GateMode::automatic, 9);
  cr_assert(second.has_value() && third.has_value());
  cr_assert(first->alive() && second->alive() && third->alive());
}

Test(gate_hook, what_somebody_takes_down_is_not_alive) {
  const Bench bench;
  const auto hook = bench.attach(GateMode::xdp_generic);
  cr_assert(hook.has_value());
  std::uint32_t id = 0;
  int taken = 0;
  while (bpf_link_get_next_id(id, &id) == 0) {
    const UniqueFd link(bpf_link_get_fd_by_id(id));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0 || info.type != BPF_LINK_TYPE_XDP) continue;
    bpf_prog_info own{};
    std::uint32_t own_size = sizeof own;
    cr_assert_eq(bpf_obj_get_info_by_fd(bench.programs.xdp, &own, &own_size), 0);
    if (info.prog_id == own.id) taken += bpf_link_detach(link.get()) == 0 ? 1 : 0;
  }
  cr_assert_eq(taken, 1);
  cr_assert_not(hook->alive());
}

Test(gate_hook, without_a_link_layer_only_classifiers) {
  Bench bench;
  bench.lo.ethernet = false;
  cr_assert_not(bench.attach(GateMode::xdp_generic).has_value());
  cr_assert(bench.attach(GateMode::tc).has_value());
}
