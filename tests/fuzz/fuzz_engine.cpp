// Covers Engine::step with every event, next_deadline and view, in a group of two to four with a provisioning
// link between the first two. The input is what happens: which frame is delivered, lost, damaged, repeated or
// sent astray, when time passes, which store or source of randomness fails, who is killed and starts again.
// What must hold at any time is in engine_world.h; an input may ask for a quiet end, in which all must meet.
#include <algorithm>

#include "tests/fuzz/engine_world.h"

using namespace akm;
using namespace akm::protocol;
using namespace std::chrono_literals;
using akm::fuzz::EngineWorld;

using akm::fuzz::require;

namespace {

constexpr AsrId kGroup = 0x1111;
constexpr AsrId kLink = 0x2222;
constexpr std::size_t kEvents = 400;  // of one input
constexpr std::uint8_t kPolicyEvents = 236;
constexpr std::uint8_t kLongEvents = 240;   // from here on a byte means what takes many steps, or data
constexpr std::size_t kStepsAtMost = 4000;  // of all long events of one input

class Story {
 public:
  Story(std::size_t members, bool star, bool majority) : world_(members), star_(star), majority_(majority) {
    for (std::size_t i = 0; i < members; ++i) install(kGroup, i, false);
    for (std::size_t i = 0; i < 2; ++i) install(kLink, i, false);
  }

  void tell(fuzz::Input& input) {
    const std::uint8_t first = input.u8();
    // Above those of the corpora from before there was a policy to set.
    const std::uint8_t what = first >= kPolicyEvents ? 20 : first % 20;
    const std::size_t who = input.below(static_cast<std::uint32_t>(world_.size()));
    if (first >= kLongEvents) return at_length(first, who, input);
    if (what < 9) return network(what, who, input);
    const AsrId asr = input.u8() % 2 == 0 ? kGroup : kLink;
    switch (what) {
      case 9:
        return world_.reach_deadline();
      case 10:
        return world_.pass_time(std::chrono::milliseconds(input.u8() * input.u8()));
      case 11:
        return world_.give(who, RequestRekey{asr});
      case 12:
        world_.store_fails = true;
        return;
      case 13:
        world_.randomness_fails = true;
        return;
      case 14:
        return world_.crash(who);
      case 15:
        world_.crash_after = input.u8() % 8;
        return;
      case 16:
        return request(who, input);
      case 17:
        return install_some(asr, who, input);
      case 18:
        return world_.give(who, SwitchGeneration{asr, newest_[asr]});
      case 19:
        return erase(asr, who, input);
      default:
        return set_policy(asr, who, input);
    }
  }

  /// A good network and disk for long enough: who holds the same generation then holds the same key, and is
  /// at rest.
  void end_quietly() {
    world_.store_fails = world_.randomness_fails = false;
    world_.crash_after = -1;
    rest(300s);
    for (std::size_t i = 0; i < world_.size(); ++i) {
      world_.give(i, RequestRekey{kGroup});
      rest(20s);
    }
    if (world_.exhausted) return;
    const auto first = world_.view(0, kGroup);
    for (std::size_t i = 0; i < world_.size(); ++i) {
      const auto view = world_.view(i, kGroup);
      if (!first || !view || view->description.generation != first->description.generation) return;
    }
    for (std::size_t i = 0; i < world_.size(); ++i) {
      const auto view = world_.view(i, kGroup);
      require(view->phase == Phase::se, "in the end nobody is in an attempt");
      require(view->epoch == first->epoch && view->check == first->check, "in the end all hold one key");
    }
  }

 private:
  void rest(Duration span) {
    steps_left_ = kEvents * 100;
    run(span, false);
    require(steps_left_ > 0, "a quiet network comes to rest");
  }

  void network(std::uint8_t what, std::size_t who, fuzz::Input& input) {
    if (what == 8) return inject(who, input.bytes(input.u8()));
    auto& from = what == 7 ? world_.recorded : world_.wire;
    if (from.empty()) return;
    const std::size_t at = what == 0 ? 0 : input.u8() % from.size();
    EngineWorld::Datagram datagram = from[at];
    if (what != 4 && what != 7) from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
    if (what == 3) return;  // lost
    if (what == 5) {
      const std::size_t place = input.u16() % datagram.bytes.size();
      datagram.bytes[place] ^= static_cast<std::uint8_t>(1U << (input.u8() % 8));
    }
    const std::size_t to = what == 6 || what == 7 ? who : datagram.to;
    world_.deliver(std::move(datagram), to);
  }

  /// What byte by byte no input would come to: all attempts on a chain fail, or a commit follows.
  void at_length(std::uint8_t what, std::size_t who, fuzz::Input& input) {
    switch (what % 4) {
      case 0:
        return send_data(who, input);
      case 1:
        return cut_off(input.u8());
      case 2:
        return run(std::chrono::milliseconds(100 * input.u8()), input.u8() % 4 == 0);
      default:
        return stray(who, input);
    }
  }

  void send_data(std::size_t who, fuzz::Input& input) {
    const std::uint8_t to = input.u8();
    std::vector<std::uint8_t> payload(3 + 5 * std::size_t{input.u8()});
    payload[0] = static_cast<std::uint8_t>(who);
    payload[1] = static_cast<std::uint8_t>(++said_ >> 8);
    payload[2] = static_cast<std::uint8_t>(said_);
    const AsrId asr = to == 254 ? kLink : kGroup;
    world_.give(who, SendData{asr, to < 200 ? static_cast<std::uint16_t>(to % 5) : kEveryone, payload});
  }

  /// Nothing arrives for so many deadlines.
  void cut_off(std::size_t deadlines) {
    for (; deadlines > 0 && steps_left_ > 0; --deadlines, --steps_left_) {
      world_.wire.clear();
      world_.reach_deadline();
    }
    world_.wire.clear();
  }

  /// Requests that name what is not there, and where the peer is.
  void stray(std::size_t who, fuzz::Input& input) {
    constexpr AsrId kNobodys = 0x3333;
    SendRequest unfit;
    unfit.asr_id = kGroup;
    unfit.method = Method::heartbeat;
    unfit.body = {0xa0};
    switch (input.u8() % 4) {
      case 0:
        return world_.give(who, SwitchGeneration{kNobodys, 1});
      case 1:
        return world_.give(who, RetireAsr{kNobodys});
      case 2:
        return world_.give(who, std::move(unfit));
      default:
        return world_.give(who, SetPeerEndpoint{kLink, EngineWorld::endpoint(1 - who % 2)});
    }
  }

  /// A network that loses nothing, or one frame in four.
  void run(Duration span, bool lossy) {
    const Instant end = world_.now() + span;
    for (std::size_t n = 0; steps_left_ > 0; ++n, --steps_left_) {
      if (!world_.wire.empty()) {
        const EngineWorld::Datagram datagram = std::move(world_.wire.front());
        world_.wire.pop_front();
        if (!lossy || n % 4 != 0) world_.deliver(datagram, datagram.to);
        continue;
      }
      const auto due = world_.next_deadline();
      if (!due || *due > end) return;
      world_.reach_deadline();
    }
  }

  void inject(std::size_t who, std::span<const std::uint8_t> bytes) {
    world_.deliver({who, who, fuzz::copy(bytes), UINT64_MAX}, who);
  }

  /// Of one member: the others keep theirs. Not of quorum and topology, which all change together.
  void set_policy(AsrId asr, std::size_t who, fuzz::Input& input) {
    const auto view = world_.view(who, asr);
    if (!view) return;
    Policy policy = view->description.policy;
    const std::uint32_t drawn = input.u8();
    policy.rekey_interval_s = drawn == 0 ? 0 : 3000 + drawn;  // 0 is refused; long, or the end is not quiet
    policy.nset_ms += drawn;
    policy.grace_ms += drawn;
    world_.give(who, SetPolicy{asr, policy});
  }

  void request(std::size_t who, fuzz::Input& input) {
    SendRequest event;
    event.asr_id = kLink;
    event.method = static_cast<Method>(1 + input.u8() % 12);
    event.cookie = ++said_;
    event.body = {
        0xa1, 0x61, 'i', 0x19, static_cast<std::uint8_t>(said_ >> 8), static_cast<std::uint8_t>(said_)};
    event.body.resize(event.body.size() + 16 * std::size_t{input.u8()});
    world_.give(who, std::move(event));
  }

  /// As an NMM does it: a generation is never issued twice with other secrets, nor again after it was erased
  /// somewhere.
  void install_some(AsrId asr, std::size_t who, fuzz::Input& input) {
    const std::uint8_t how = input.u8();
    if (how % 2 == 0 || erased_[asr]) {
      ++newest_[asr];
      erased_[asr] = false;
    }
    if (asr == kLink && who > 1) who = 0;
    if ((how & 4) != 0) return install(asr, who, (how & 2) != 0);
    const std::size_t members = asr == kLink ? 2 : world_.size();
    for (std::size_t i = 0; i < members; ++i) install(asr, i, (how & 2) != 0);
  }

  void install(AsrId id, std::size_t who, bool immediate) {
    const bool link = id == kLink;
    Asr asr;
    asr.description.id = id;
    asr.description.kind = link ? Kind::provisioning : Kind::operational;
    asr.description.label = "fuzz";
    asr.description.generation = newest_[id];
    asr.description.policy.topology = star_ && !link ? Topology::star : Topology::mesh;
    asr.description.policy.nset_ms = 1000;
    asr.description.policy.nnrt_ms = 400;
    asr.description.policy.fbset_ms = 1500;
    asr.description.policy.fsset_ms = 2000;
    asr.description.policy.resync_min_interval_s = 1;
    if (majority_ && !link) asr.description.policy.quorum = Quorum::majority;
    for (std::size_t i = 0; i < (link ? 2 : world_.size()); ++i) {
      asr.description.roster.push_back({static_cast<std::uint16_t>(i),
                                        1000 + i,
                                        link && i == 0 ? Role::nmm : Role::node,
                                        "n" + std::to_string(i),
                                        {format_endpoint(EngineWorld::endpoint(i))}});
    }
    test::SeededRandom secrets(id + newest_[id]);
    for (ChainState& chain : asr.chains) {
      (void)secrets.fill(chain.pdv.reveal_mutable());
      (void)secrets.fill(chain.seed.reveal_mutable());
    }
    world_.give(who, InstallAsr{std::move(asr), static_cast<std::uint16_t>(who), immediate, 0});
  }

  void erase(AsrId asr, std::size_t who, fuzz::Input& input) {
    erased_[kGroup] = true;
    if (input.u8() % 2 == 0) return world_.give(who, EraseOperational{});
    erased_[asr] = true;
    world_.give(who, RetireAsr{asr});
  }

  EngineWorld world_;
  bool star_;
  bool majority_;
  std::uint64_t said_ = 0;
  std::size_t steps_left_ = kStepsAtMost;
  std::map<AsrId, std::uint32_t> newest_{{kGroup, 1}, {kLink, 1}};
  std::map<AsrId, bool> erased_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t shape = input.u8();
  Story story(2 + shape % 3, (shape & 8) != 0, (shape & 32) != 0);
  for (std::size_t i = 0; i < kEvents && !input.empty(); ++i) story.tell(input);
  if ((shape & 16) != 0) story.end_quietly();
  return 0;
}
