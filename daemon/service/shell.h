#pragma once
// Carries the engine's effects out, in order, and feeds it events. Nothing re-enters the engine during a
// step: what a report handler posts is queued and runs after the effects of the present step.
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/endpoint.h"
#include "daemon/base/instant.h"
#include "daemon/base/random.h"
#include "daemon/protocol/engine.h"
#include "daemon/store/sealed_store.h"
#include "keyring/key_store.h"

namespace akm::service {

/// The key store's content changed: probes are to guard other serials.
struct KeysChanged {
  protocol::AsrId asr_id = 0;
  protocol::KeySlot slot{};
};
/// An effect could not be carried out. A failed key store does not stop sessions: it is a finding.
struct EffectFailed {
  protocol::AsrId asr_id = 0;
  std::string effect;  // "persist", "forget", "install-key", "revoke-key"
  Error error;
};

/// What the role is told. A closed set, so that a role that forgets one does not compile.
using Report = std::variant<protocol::SessionCommitted, protocol::GenerationSwitched, protocol::AsrRetired,
                            protocol::AttemptFailed, protocol::ChainsExhausted, protocol::ContradictionSeen,
                            protocol::RequestReceived, protocol::ResponseReceived, protocol::RequestTimedOut,
                            protocol::EventRefused, KeysChanged, EffectFailed>;
using ReportHandler = std::function<void(Report&)>;
/// Called once when the event's effects were carried out: the error when the engine refused the event or its
/// state could not be stored.
using AfterStep = std::move_only_function<void(const Status&)>;
using FrameSender = std::function<void(const Endpoint& to, std::span<const std::uint8_t> frame)>;
/// Takes a datagram of another member; its bytes are lent for the call.
using DataReceiver = std::function<void(const protocol::DataReceived& data)>;

/// What whoever guards the port wants to know.
struct FrameNews {
  std::function<void(protocol::AsrId)> stored = {};  // its record is on the disk, for the first time or again
  std::function<void(protocol::AsrId)> forgotten = {};
  std::function<void(const Endpoint&)> authentic = {};  // where a fresh frame of a member came from
};

inline constexpr std::string_view kAsrRecordPrefix = "asr-";  // and 16 hex digits of the ASR's id

class Shell {
 public:
  struct Parts {
    store::SealedStore& store;
    keyring::KeyStore* keys = nullptr;  // null: session secrets stay in the process
    RandomSource& random;
    FrameSender send;
    std::function<Instant()> now = boottime_now;
    DataReceiver data = {};
    FrameNews news = {};
  };
  Shell(Parts parts, const protocol::Engine::Options& options, ReportHandler handler);

  /// Feeds every stored relationship to the engine. A record that does not open is set aside, and the finding
  /// about it names its path.
  std::vector<std::string> restore();
  /// One event, now, or after the present step when called from a report handler.
  void post(protocol::Event event, AfterStep after = {});
  /// A datagram from the loop; it is lent and may be decrypted in place.
  void receive(std::span<std::uint8_t> datagram, const Endpoint& from);
  /// A datagram of a local program, lent for the call: not for report handlers (busy). Why it was refused is
  /// told to the caller alone.
  Status send_data(const protocol::SendData& data);
  /// For io::Loop::add_deadline.
  [[nodiscard]] std::optional<Instant> next_deadline() const { return engine_.next_deadline(); }
  void deadline_reached() { post(protocol::DeadlineReached{}); }

  [[nodiscard]] const protocol::Engine& engine() const { return engine_; }
  [[nodiscard]] keyring::KeyStore* keys() const { return parts_.keys; }
  [[nodiscard]] Instant now() const { return parts_.now(); }

  struct Counters {
    std::uint64_t store_failures = 0;
    std::uint64_t key_failures = 0;
    std::uint64_t frames_sent = 0;
    std::uint64_t events_dropped = 0;  // the queue was full
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  std::string unusable(const std::string& name, const Error& error);
  void drain();
  Status step(protocol::Event event);
  Status carry_out();  // effects_
  template <typename Effect>
  Status carry_out_one(Effect& effect);  // an error: drop the rest of the list
  void key_store_changed(const KeysChanged& changed, std::string_view effect, const Status& status);
  void tell(Report report);

  Parts parts_;
  protocol::Engine engine_;
  ReportHandler handler_;
  struct Waiting {
    protocol::Event event;
    AfterStep after;
  };
  std::deque<Waiting> queue_;
  protocol::EffectList effects_;  // of the present step; its memory is kept
  bool stepping_ = false;
  Counters counters_;
};

/// Name of the stored record of an ASR.
std::string asr_record_name(protocol::AsrId id);

}  // namespace akm::service
