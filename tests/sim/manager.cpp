#include "tests/sim/manager.h"

#include <algorithm>

namespace akm::sim {
namespace {

using namespace std::chrono_literals;
using protocol::ControlStatus;
using protocol::Method;

constexpr Duration kAgain = 1s;

std::uint64_t cookie_of(std::uint32_t generation, std::size_t machine, std::uint8_t what) {
  return std::uint64_t{generation} << 32 | std::uint64_t{machine} << 8 | what;
}

}  // namespace

Manager::Manager(Fleet& fleet, const Setting& setting, std::uint64_t seed)
    : fleet_(fleet), setting_(setting), dice_(number_of(seed, 8)) {
  description_.id = kGroup;
  description_.label = "group";
  description_.suite = setting.suite;
  description_.policy = policy_of(setting);
}

void Manager::create(std::uint32_t members) {
  if (setting_.managed) {
    for (std::size_t node = 1; node <= setting_.members + setting_.spares; ++node) {
      protocol::AsrDescription link;
      link.id = link_of(node);
      link.kind = protocol::Kind::provisioning;
      link.label = "link";
      link.policy = policy_of(setting_);
      link.policy.quorum = protocol::Quorum::all;
      link.roster = {
          {protocol::kNmmIndex,
           node_id_of(kManager),
           protocol::Role::nmm,
           "nmm",
           {format_endpoint(endpoint_of(0))}},
          {protocol::kNodeIndex, node_id_of(node), protocol::Role::node, name_of_machine(node), {}}};
      const protocol::Asr asr = fresh(std::move(link), dice_);
      fleet_.post(kManager, protocol::InstallAsr{asr.clone(), protocol::kNmmIndex, false, 0});
      fleet_.post(node, protocol::InstallAsr{asr.clone(), protocol::kNodeIndex, false, 0});
    }
  }
  for (std::size_t node = 1; node <= members; ++node) index_of_[node] = static_cast<std::uint16_t>(node - 1);
  describe_roster();
  description_.generation = 1;
  if (on_generation) {
    const auto machines = this->members();
    on_generation(1, {machines.begin(), machines.end()}, false);
  }
  const protocol::Asr asr = fresh(description_, dice_);
  for (const auto& [node, index] : index_of_) {
    fleet_.post(node, protocol::InstallAsr{asr.clone(), index, false, 0});
    tasks_[node] = {Progress::done, false, {}};
  }
}

void Manager::describe_roster() {
  description_.roster.clear();
  for (const std::size_t machine : members()) {
    description_.roster.push_back({index_of_.at(machine),
                                   node_id_of(machine),
                                   protocol::Role::node,
                                   name_of_machine(machine),
                                   {format_endpoint(endpoint_of(machine))}});
  }
}

std::vector<std::size_t> Manager::members() const {
  std::vector<std::size_t> list;
  for (const auto& [machine, index] : index_of_) list.push_back(machine);
  std::ranges::sort(list, {}, [this](std::size_t machine) { return index_of_.at(machine); });
  return list;
}

bool Manager::add(std::size_t machine) {
  if (is_member(machine) || gone_.contains(machine) || leaving_.contains(machine)) return false;
  std::uint16_t index = 0;
  const auto taken = [&](std::uint16_t wanted) {
    return std::ranges::any_of(index_of_, [&](const auto& entry) { return entry.second == wanted; });
  };
  while (taken(index)) ++index;
  index_of_[machine] = index;
  next_generation(false);
  return true;
}

bool Manager::may_go(std::size_t machine) const {
  const bool another_goes = doomed_ && *doomed_ != machine && is_member(*doomed_);
  return is_member(machine) && index_of_.size() > (another_goes ? 3U : 2U);
}

bool Manager::remove(std::size_t machine) {
  if (machine == doomed_) return evict(machine, true);
  if (!may_go(machine)) return false;
  index_of_.erase(machine);
  leaving_[machine] = {What::retire, false, {}};
  next_generation(true);
  return true;
}

bool Manager::evict(std::size_t machine, bool stays, bool at_once) {
  if (!may_go(machine)) return false;
  index_of_.erase(machine);
  if (stays || machine == doomed_) {
    gone_.insert(machine);
    fleet_.machine(machine).hostile = true;
    if (machine == doomed_) fleet_.machine(fleet_.copied()->to).hostile = true;
  } else {
    leaving_[machine] = {What::quarantine, false, {}};
  }
  next_generation(at_once);
  return true;
}

bool Manager::renew(bool at_once) {
  next_generation(at_once);
  return true;
}

void Manager::rotate(std::size_t machine) {
  if (gone_.contains(machine)) return;
  send(machine, What::rotate, Method::rotate_provisioning, protocol::empty_body());
}

/// Takes the place of a rollout under way, with its haste: who was put out then must not stay for this one.
void Manager::next_generation(bool at_once) {
  at_once_ = at_once || (at_once_ && !settled());
  ++description_.generation;
  retire_ = at_once_ ? description_.generation - 1 : 0;
  describe_roster();
  credentials_ = fresh(description_, dice_);
  install_until_ = fleet_.now() + std::chrono::seconds(description_.policy.install_deadline_s);
  tasks_.clear();
  std::set<std::size_t> machines;
  for (const std::size_t machine : members()) {
    tasks_[machine];
    machines.insert(machine);
  }
  fleet_.note(kManager, "generation " + std::to_string(generation()) + (at_once_ ? " at once" : ""));
  if (on_generation) on_generation(generation(), machines, at_once_);
  pump();
  pump_later(std::chrono::seconds(description_.policy.install_deadline_s) + 1ms);
}

void Manager::pump_later(Duration after) {
  fleet_.call_at(fleet_.now() + after, [this] { pump(); });
}

void Manager::pump() {
  if (!fleet_.machine(kManager).engine) return;
  const bool all = std::ranges::all_of(
      tasks_, [](const auto& entry) { return entry.second.progress != Progress::to_install; });
  const bool switching = !at_once_ && (all || fleet_.now() >= install_until_);
  for (auto& [machine, task] : tasks_) {
    if (task.waits || task.again > fleet_.now() || task.progress == Progress::done) continue;
    if (task.progress == Progress::to_install) {
      task.waits = true;
      send_install(machine);
    } else if (switching) {
      task.waits = true;
      send(machine, What::switch_over, Method::switch_generation,
           protocol::SwitchRequest{kGroup, generation()}.encode());
    }
  }
  for (auto& [machine, leaving] : leaving_) {
    if (leaving.waits || leaving.again > fleet_.now()) continue;
    leaving.waits = true;
    const bool retire = leaving.how == What::retire;
    send(machine, leaving.how, retire ? Method::retire : Method::quarantine,
         retire ? protocol::RetireRequest{kGroup}.encode() : protocol::empty_body());
  }
}

void Manager::send_install(std::size_t machine) {
  protocol::InstallRequest request;
  request.asr = credentials_->clone();
  request.index = index_of_.at(machine);
  request.immediate = at_once_;
  request.retire = retire_;
  auto body = request.encode();
  if (body) send(machine, What::install, Method::install, {}, std::move(*body));
}

void Manager::send(std::size_t machine, What what, Method method, std::vector<std::uint8_t> body,
                   SecretBuffer secret_body) {
  protocol::SendRequest request;
  request.asr_id = link_of(machine);
  request.method = method;
  request.body = std::move(body);
  request.secret_body = std::move(secret_body);
  request.cookie = cookie_of(generation(), machine, static_cast<std::uint8_t>(what));
  const std::uint64_t cookie = request.cookie;
  fleet_.post(kManager, std::move(request), [this, cookie](const Status& done) {
    if (!done) answered(cookie, std::nullopt);
  });
}

void Manager::answered(std::uint64_t cookie, std::optional<ControlStatus> status) {
  const auto machine = static_cast<std::size_t>((cookie >> 8) & 0xffffff);
  const auto what = static_cast<What>(cookie & 0xff);
  if (what == What::rotate) return;
  const bool well = status && (*status == ControlStatus::ok || *status == ControlStatus::unknown_asr);
  if (what == What::retire || what == What::quarantine) {
    const auto leaving = leaving_.find(machine);
    if (leaving == leaving_.end()) return;
    if (well) {
      leaving_.erase(leaving);
    } else {
      leaving->second = {leaving->second.how, false, fleet_.now() + kAgain};
      pump_later(kAgain);
    }
    return;
  }
  if (static_cast<std::uint32_t>(cookie >> 32) == generation()) answered_task(machine, what, status);
}

void Manager::answered_task(std::size_t machine, What what, std::optional<ControlStatus> status) {
  const auto found = tasks_.find(machine);
  if (found == tasks_.end()) return;
  Task& task = found->second;
  task.waits = false;
  const bool stale = status == ControlStatus::stale_generation;
  if (what == What::install && (status == ControlStatus::ok || stale)) {
    // An install of the same generation that was carried out before is answered stale-generation (section 6).
    task.progress = at_once_ ? Progress::done : std::max(task.progress, Progress::installed);
  } else if (what == What::switch_over && status == ControlStatus::ok) {
    task.progress = Progress::done;
  } else {
    if (what == What::switch_over && status == ControlStatus::unknown_asr)
      task.progress = Progress::to_install;
    task.again = fleet_.now() + kAgain;
    pump_later(kAgain);
  }
  if (std::ranges::all_of(tasks_,
                          [](const auto& entry) { return entry.second.progress == Progress::done; })) {
    credentials_.reset();
  }
  pump();
}

void Manager::executed(const protocol::RequestReceived& request) {
  if (request.method == Method::breach_report) breach(request);
  if (request.method == Method::resync) {
    const auto body = protocol::ResyncRequest::decode(request.body.reveal());
    if (body && body->generation == generation() && resync_from_ <= fleet_.now()) {
      resync_from_ = fleet_.now() + std::chrono::seconds(description_.policy.resync_min_interval_s);
      next_generation(false);
    }
  }
  if (!request.expects_response) return;
  fleet_.post(kManager, protocol::SendResponse{request.asr_id, request.request_id, request.method,
                                               ControlStatus::ok, protocol::empty_body()});
}

/// The node has erased its keys. The policy decides whether it stays a member; either way all others get a
/// generation that it did not see.
void Manager::breach(const protocol::RequestReceived& request) {
  const std::size_t machine = machine_of_link(request.asr_id);
  if (!is_member(machine)) return;
  const policy::BreachFacts facts{node_id_of(machine), policy::DetectionClass::key_access,
                                  policy::Grade::critical};
  const auto verdicts = policy::decide(facts, {{kGroup, index_of_.size()}}, policy::AdjudicationPolicy{},
                                       history_, fleet_.now());
  history_.record(kGroup, verdicts.front().verdict, fleet_.now());
  if (verdicts.front().verdict != policy::Verdict::evict || !evict(machine, false)) renew(true);
}

void Manager::report(protocol::Effect& effect) {
  if (const auto* response = std::get_if<protocol::ResponseReceived>(&effect)) {
    answered(response->cookie, response->status);
  } else if (const auto* timeout = std::get_if<protocol::RequestTimedOut>(&effect)) {
    answered(timeout->cookie, std::nullopt);
  } else if (const auto* request = std::get_if<protocol::RequestReceived>(&effect)) {
    executed(*request);
  }
}

void Manager::restarted() {
  for (auto& [machine, task] : tasks_) task.waits = false;
  for (auto& [machine, leaving] : leaving_) leaving.waits = false;
  pump();
}

bool Manager::settled() const {
  return leaving_.empty() && std::ranges::all_of(tasks_, [](const auto& entry) {
           return entry.second.progress == Progress::done;
         });
}

}  // namespace akm::sim
