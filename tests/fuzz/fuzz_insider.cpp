// Covers what an engine does with frames that open: session payloads, control fragments and bodies, and data,
// that a member with all keys, but with no good intentions, sends. One engine holds a group (index 0 of
// three) and a provisioning link (the NMM's end); the input speaks as the others, under epoch 1. Each frame:
// a byte for relationship, speaker and type, a length, the payload.
#include "tests/fuzz/fuzz.h"
#include "tests/support/asr_fixture.h"

using namespace akm;
using namespace akm::protocol;

using akm::fuzz::require;

namespace {

constexpr std::size_t kFrames = 64;

class Victim {
 public:
  Victim() {
    for (const Asr* asr : {&group(), &link()}) give(InstallAsr{asr->clone(), 0, false, 0});
  }

  void hear(fuzz::Input& input) {
    const std::uint8_t how = input.u8();
    if (how >= 250) return wait();
    const auto payload = input.bytes(input.u8());
    const auto type = (how & 1) == 0   ? FrameType::session
                      : (how & 8) == 0 ? FrameType::control
                                       : FrameType::data;
    const auto chain = static_cast<Chain>((how >> 4) % kChainCount);
    auto bytes = speaker(how).frame(type, payload, chain);
    give(FrameReceived{bytes, *parse_endpoint("10.0.0.2:7400")});
  }

  void holds_what_it_had() {
    require(engine_.view(group().description.id).has_value(), "no frame takes a relationship away");
    require(engine_.view(link().description.id).has_value(), "nor the provisioning one");
  }

 private:
  static const Asr& group() {
    static const Asr asr = testing::fixed_asr(3);
    return asr;
  }
  static const Asr& link() {
    static const Asr asr = [] {
      Asr made = testing::fixed_asr(2, 1, Kind::provisioning);
      made.description.id = 0x2222;
      return made;
    }();
    return asr;
  }

  testing::Speaker& speaker(std::uint8_t how) {
    if ((how & 2) != 0) return link_peer_;
    return (how & 4) != 0 ? second_ : first_;
  }

  void wait() {
    if (const auto due = engine_.next_deadline()) {
      now_ = std::max(now_, *due);
      give(DeadlineReached{});
    }
  }

  void give(Event event) {
    for (const Effect& effect : engine_.step(std::move(event), now_, random_)) {
      const auto* committed = std::get_if<SessionCommitted>(&effect);
      require(committed == nullptr || committed->epoch <= 1,
              "a session needs contributions that we have not sent");
    }
  }

  testing::SeededRandom random_{1};
  Instant now_{1'000'000'000};
  Engine engine_{{.incarnation = 1, .salt = 1}};
  testing::Speaker first_{group(), 1, 5, 6};
  testing::Speaker second_{group(), 2, 5, 6};
  testing::Speaker link_peer_{link(), 1, 5, 6};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  Victim victim;
  for (std::size_t i = 0; i < kFrames && !input.empty(); ++i) victim.hear(input);
  victim.holds_what_it_had();
  return 0;
}
