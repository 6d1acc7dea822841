#pragma once
// One ASR of this daemon: its generations (current, installed ahead, in grace), the frames of all of them
// (section 4), its control messages (section 6), and what a step of it asks the shell to do.
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>

#include "daemon/protocol/asr_record.h"
#include "daemon/protocol/control_link.h"
#include "daemon/protocol/generation.h"

namespace akm::protocol {

/// The engine's, lent to each step.
struct StepContext {
  const Engine::Options& options;
  Counters& counters;
  Instant now;
  RandomSource& random;
  EffectList& effects;
};

class Relationship {
 public:
  /// Empty until the first install. `next_request_id`: after one of this run that was erased, since request
  /// ids of an incarnation only rise; 0: none.
  explicit Relationship(AsrId id, std::uint32_t next_request_id = 0) : id_(id) {
    control_.continue_ids(next_request_id);
  }
  static Result<Relationship> restore(const SecretBuffer& record, StepContext& step);

  [[nodiscard]] AsrId id() const { return id_; }
  [[nodiscard]] bool empty() const { return !state_.current.has_value(); }
  [[nodiscard]] Kind kind() const { return state_.current->description->kind; }
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  [[nodiscard]] AsrView view() const;

  Status install(InstallAsr event, StepContext& step);
  Status switch_generation(std::uint32_t generation, StepContext& step);
  Status set_policy(const Policy& policy, StepContext& step);
  /// `plain` takes the payload, at least kFramePayloadBytes; that of data is lent to the effects.
  std::expected<void, Refusal> receive(const FrameHeader& header, std::span<const std::uint8_t> datagram,
                                       const Endpoint& from, std::span<std::uint8_t> plain,
                                       StepContext& step);
  void tick(StepContext& step);
  void request_rekey(StepContext& step);
  Status send_request(SendRequest event, StepContext& step);
  Status send_response(SendResponse event, StepContext& step);
  /// `room` takes the frame, kFrameBytes, and is lent to the effects.
  Status send_data(const SendData& event, std::span<std::uint8_t> room, StepContext& step);
  Status set_peer_endpoint(const Endpoint& endpoint, StepContext& step);
  /// Revokes what is in the keyring; the caller forgets the record and drops this object.
  void revoke_keys(EffectList& effects) const;
  /// The newest generation under which frames may have been sent; 0: none. Once this object is gone, it must
  /// not come again in this run: its sequence numbers would start anew under the same keys.
  [[nodiscard]] std::uint32_t spent_generation() const;
  [[nodiscard]] std::uint32_t next_request_id() const { return control_.next_id(); }

  /// The step must be stored: the caller puts record() before all other effects of the step.
  [[nodiscard]] bool dirty() const { return dirty_; }
  [[nodiscard]] SecretBuffer record();
  /// Storing went well: what the step replaced is erased.
  void settle() { before_.reset(); }
  /// Storing failed: back to before the step. What only grows (sequence numbers, windows, incarnations)
  /// stays.
  void undo();

 private:
  struct Opened {
    Generation* generation = nullptr;
    std::shared_ptr<Session> session;
    std::span<const std::uint8_t> payload;
  };
  std::expected<Opened, Refusal> open(const FrameHeader& header, std::span<const std::uint8_t> datagram,
                                      const Endpoint& from, std::span<std::uint8_t> plain, StepContext& step);
  void contradiction(const FrameHeader& header, const Generation& generation, const Session& session,
                     const Endpoint& from, StepContext& step);
  void accept(const FrameHeader& header, const Opened& opened, const Endpoint& from, StepContext& step);
  void note_heard(const FrameHeader& header, StepContext& step);
  std::expected<void, Refusal> take(const FrameHeader& header, std::span<const std::uint8_t> datagram,
                                    const Endpoint& from, std::span<std::uint8_t> plain, StepContext& step);
  std::expected<void, Refusal> receive_session(const FrameHeader& header, const Opened& opened,
                                               const Endpoint& from, StepContext& step);
  void catch_up(const FrameHeader& header, const Opened& opened, StepContext& step);
  std::expected<void, Refusal> receive_control(const FrameHeader& header, const Opened& opened,
                                               const Endpoint& from, StepContext& step);
  std::expected<void, Refusal> receive_data(const FrameHeader& header, const Opened& opened,
                                            const Endpoint& from, StepContext& step);
  [[nodiscard]] std::optional<std::uint16_t> data_sender(const Opened& opened, std::uint16_t index) const;
  Generation* find(std::uint32_t generation);
  void make_current(Generation generation, bool keep_old, StepContext& step);
  void carry_out(const Orders& orders, StepContext& step);
  void install_key(KeySlot slot, const Session& session, StepContext& step);
  void send(Generation& generation, std::uint16_t to, Session& session, FrameType type,
            std::span<const std::uint8_t> payload, StepContext& step);
  void send_to(Generation& generation, const Endpoint& to, Session& session, FrameType type,
               std::span<const std::uint8_t> payload, StepContext& step);
  static void count_frame(Generation& generation, const Session& session, StepContext& step);
  [[nodiscard]] SendMessage control_sender(StepContext& step);
  void prepare_change();
  [[nodiscard]] std::optional<Endpoint> learned_endpoint() const;

  AsrId id_;
  RelationshipState state_;
  ControlLink control_;
  std::unique_ptr<RelationshipState> before_;  // of the last step that had to be stored
  bool dirty_ = false;
  std::optional<Instant> refresh_at_;  // the key in the keyring would run out
  DataCounts data_;
};

}  // namespace akm::protocol
