#pragma once
// One generation of an ASR as this member holds it: who belongs to it, what it knows of them, and its three
// chains. A copy shares what only grows (peers, sessions) and the secrets; it is how a step that could not be
// stored is undone.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/protocol/control_link.h"
#include "daemon/protocol/ladder.h"

namespace akm::protocol {

/// Since when things stand as they do: for people, and not stored.
struct Standing {
  Instant session_since;  // the committed session of the normal chain; after a restart, since that
  Instant phase_since;
  Chain chain = Chain::normal;  // whose phase it is
  Phase phase = Phase::se;
  bool nmm_asked = false;  // the chains are used up: for a new generation
};

struct Generation {
  std::shared_ptr<const AsrDescription> description;
  KeyContext context;
  std::uint16_t own_index = 0;
  std::shared_ptr<PeerTable> peers;
  Ladder ladder;
  std::optional<Endpoint> group;  // topology multicast: what goes to several members goes there, once
  Standing standing = {};

  /// A generation of chains that stand where they stand.
  static Generation of(std::shared_ptr<const AsrDescription> description, std::uint16_t own_index,
                       std::shared_ptr<PeerTable> peers, Ladder ladder);

  /// From what the NMM sent: each chain steps to epoch 1. invalid_argument; limit_exceeded when its record
  /// would be too large.
  static Result<Generation> install(const Asr& asr, std::uint16_t own_index);

  /// Timers that run keep their times.
  void set_policy(const Policy& policy);

  [[nodiscard]] std::uint32_t number() const { return description->generation; }
  [[nodiscard]] Establishment& chain(Chain which) { return ladder.chain(which); }
  [[nodiscard]] const Establishment& chain(Chain which) const { return ladder.chain(which); }
  [[nodiscard]] Establishment& normal() { return chain(Chain::normal); }
  [[nodiscard]] const Establishment& normal() const { return chain(Chain::normal); }
  [[nodiscard]] Surroundings around(Instant now, RandomSource& random) const;
  [[nodiscard]] KeyCheckValue check() const;
  /// It became the current one, or was restored.
  void begin_standing(Instant now);
  /// After each step of its ladder.
  void note_standing(const Orders& orders, Instant now);
  /// What is known of members that were in `before` too, where it is newer: which start of a member is the
  /// newest, and when it was heard, does not depend on the generation.
  void learn_from(const Generation& before);
};

/// Parts of `description` that a generation is made of, for install and for the record.
KeyContext key_context_of(const AsrDescription& description);

/// What is undone when it could not be stored, and what the record holds of it.
struct RelationshipState {
  std::optional<Generation> current;
  std::optional<Generation> installed;  // waits for its switch
  std::optional<Generation> grace;      // the one before: receives until grace_until; never stored
  Instant grace_until;
  bool grace_shut = false;  // a member of it was left out of the current one: no data under it any more
  ExecutedIds executed;
};

}  // namespace akm::protocol
