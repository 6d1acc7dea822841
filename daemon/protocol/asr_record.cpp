#include "daemon/protocol/asr_record.h"

#include <set>

#include "daemon/protocol/asr_codec.h"
#include "daemon/protocol/cbor.h"

namespace akm::protocol {
namespace {

constexpr std::uint64_t kVersion = 1;
constexpr std::size_t kGenerationBytes = kSecretMaxBytes / 2;
constexpr std::size_t kSessionSecretBytes = 48;
constexpr std::size_t kEndpointTextBytes = 64;
constexpr std::uint64_t kU16 = UINT16_MAX;
constexpr std::uint64_t kU32 = UINT32_MAX;
constexpr std::array kChains{Chain::normal, Chain::fallback, Chain::failsafe};

template <std::size_t N>
std::span<const std::uint8_t, N> fixed(CborReader& reader) {
  static constexpr std::array<std::uint8_t, N> kZeros{};
  const auto bytes = reader.bytes(N, N);
  return bytes.size() == N ? bytes.first<N>() : std::span<const std::uint8_t, N>(kZeros);
}

std::uint32_t u32(CborReader& reader) {
  return static_cast<std::uint32_t>(reader.unsigned_integer(kU32));
}
std::uint16_t u16(CborReader& reader) {
  return static_cast<std::uint16_t>(reader.unsigned_integer(kU16));
}

void expect_key(CborReader& reader, std::string_view key) {
  if (reader.key() != key) reader.refuse("key of a record");
}

void expect_array(CborReader& reader, std::size_t items) {
  if (reader.array(items) != items) reader.refuse("array of a record");
}

// One candidate, fields in the order of the array.
void write_candidate(CborWriter& writer, Chain chain, const Candidate& candidate) {
  writer.array(10);
  writer.unsigned_integer(static_cast<std::uint64_t>(chain));
  writer.unsigned_integer(candidate.target);
  writer.unsigned_integer(candidate.initiator);
  writer.unsigned_integer(candidate.high_epoch);
  writer.bytes(candidate.transcript);
  writer.bytes(candidate.participants.bytes());
  writer.bytes(candidate.next.pdv.reveal());
  writer.bytes(candidate.next.seed.reveal());
  writer.bytes(candidate.session->secret().reveal());
  writer.bytes(candidate.prk.reveal());
}

struct ReadCandidate {
  Chain chain{};
  Candidate candidate;
  SecretBuffer secret;
};

Result<ReadCandidate> read_candidate(CborReader& reader, const Generation& generation) {
  expect_array(reader, 10);
  const auto chain = static_cast<Chain>(reader.unsigned_integer(kChainCount - 1));
  Candidate candidate;
  candidate.target = u32(reader);
  candidate.initiator = u16(reader);
  candidate.high_epoch = u32(reader);
  const auto transcript = fixed<32>(reader);
  std::ranges::copy(transcript, candidate.transcript.begin());
  candidate.participants = Bitmap::from_bytes(reader.bytes(limits::kBitmapBytes, 1));
  candidate.next.pdv = SecretBytes<128>::copy_of(fixed<128>(reader));
  candidate.next.seed = SecretBytes<32>::copy_of(fixed<32>(reader));
  candidate.next.epoch = candidate.target;
  auto secret = SecretBuffer::copy_of(reader.bytes(kSessionSecretBytes, 32));
  candidate.prk = SecretBuffer::copy_of(reader.bytes(kSessionSecretBytes));
  if (!reader.ok() || !candidate.participants.fits(*generation.description)) {
    return fail(Errc::state_corrupt, "candidate");
  }
  return ReadCandidate{chain, std::move(candidate), std::move(secret)};
}

Status read_candidates(CborReader& reader, Generation& generation) {
  std::vector<ReadCandidate> list;
  std::set<std::pair<Chain, std::uint32_t>> epochs;  // counters are handed out by rising epoch
  for (std::size_t left = reader.array(kChainCount * limits::kStoredCandidates); left > 0; --left) {
    AKM_ASSIGN(ReadCandidate read, read_candidate(reader, generation));
    epochs.emplace(read.chain, read.candidate.target);
    for (const Chain below : kChains) {
      if (below < read.chain) epochs.emplace(below, read.candidate.high_epoch + 1);
    }
    list.push_back(std::move(read));
  }
  std::vector<std::shared_ptr<SequenceCounter>> counters;
  counters.reserve(epochs.size());
  for (const auto& [chain, epoch] : epochs) {
    counters.push_back(generation.chain(chain).link().reserve(epoch));
  }
  for (ReadCandidate& read : list) {
    AKM_TRY(generation.chain(read.chain)
                .link()
                .restore_candidate(generation.context, std::move(read.candidate), std::move(read.secret),
                                   generation.ladder.links()));
  }
  return {};
}

// One generation, keys in deterministic order.
SecretBuffer encode_generation(const Generation& generation) {
  CborWriter writer(CborWriter::Memory::secret);
  std::size_t candidates = 0;
  std::size_t known = 0;
  for (const Chain chain : kChains) candidates += generation.chain(chain).link().stored().size();
  for (const Peer& peer : generation.peers->all())
    known += peer.incarnation != 0 && !peer.from_before ? 1 : 0;
  writer.map(6);
  writer.text("asr");
  const ChainState spent;  // zeros
  ChainsAt chains{};
  for (const Chain chain : kChains) {
    const ChainLink& link = generation.chain(chain).link();
    chains[static_cast<std::size_t>(chain)] = link.is_spent() ? &spent : &link.base();
  }
  write_asr(writer, *generation.description, chains);
  writer.text("index");
  writer.unsigned_integer(generation.own_index);
  writer.text("known");
  writer.array(known);
  for (const Peer& peer : generation.peers->all()) {
    if (peer.incarnation == 0 || peer.from_before) continue;
    writer.array(3);
    writer.unsigned_integer(peer.index);
    writer.unsigned_integer(peer.incarnation);
    writer.unsigned_integer(peer.salt);
  }
  writer.text("epochs");
  writer.array(kChainCount);
  for (const Chain chain : kChains) writer.unsigned_integer(generation.chain(chain).link().epoch());
  writer.text("secrets");
  writer.array(kChainCount);
  for (const Chain chain : kChains) {
    const auto& session = generation.chain(chain).link().session();
    writer.bytes(session ? session->secret().reveal() : std::span<const std::uint8_t>());
  }
  writer.text("candidates");
  writer.array(candidates);
  for (const Chain chain : kChains) {
    for (const CandidatePtr& candidate : generation.chain(chain).link().stored()) {
      write_candidate(writer, chain, *candidate);
    }
  }
  return writer.take_secret();
}

void read_known(CborReader& reader, PeerTable& peers, Instant now) {
  const std::size_t known = reader.array(limits::kMembers);
  for (std::size_t i = 0; i < known && reader.ok(); ++i) {
    expect_array(reader, 3);
    Peer* peer = peers.find(u16(reader));
    if (peer == nullptr) return reader.refuse("incarnation of no member");
    peer->incarnation = u32(reader);
    peer->salt = u32(reader);
    peer->incarnation_since = now;
  }
}

Result<Generation> decode_generation(std::span<const std::uint8_t> bytes, Instant now) {
  CborReader reader(bytes);
  if (reader.map(6) != 6) reader.refuse("generation");
  expect_key(reader, "asr");
  Asr asr = read_asr(reader);
  expect_key(reader, "index");
  const std::uint16_t own_index = u16(reader);
  auto peers = std::make_shared<PeerTable>(asr.description);
  expect_key(reader, "known");
  read_known(reader, *peers, now);
  std::array<std::uint32_t, kChainCount> epochs{};
  expect_key(reader, "epochs");
  expect_array(reader, kChainCount);
  for (std::uint32_t& epoch : epochs) epoch = u32(reader);
  if (epochs[0] == 0 || epochs[1] == 0) reader.refuse("epoch 0");  // a failsafe chain at 0 is spent
  std::array<SecretBuffer, kChainCount> secrets;
  expect_key(reader, "secrets");
  expect_array(reader, kChainCount);
  for (std::size_t i = 0; i < kChainCount; ++i) {
    secrets[i] = SecretBuffer::copy_of(reader.bytes(kSessionSecretBytes, epochs[i] == 0 ? 0 : 32));
  }
  if (!reader.ok() || asr.description.member(own_index) == nullptr) {
    return fail(Errc::state_corrupt, "generation");
  }
  const KeyContext context = key_context_of(asr.description);
  const auto chain = [&](std::size_t i) {
    if (epochs[i] == 0) return Establishment(ChainLink::spent());
    asr.chains[i].epoch = epochs[i];
    return Establishment(
        ChainLink::restore(context, kChains[i], std::move(asr.chains[i]), std::move(secrets[i])));
  };
  Generation generation = Generation::of(std::make_shared<const AsrDescription>(std::move(asr.description)),
                                         own_index, std::move(peers), Ladder({chain(0), chain(1), chain(2)}));
  expect_key(reader, "candidates");
  AKM_TRY(read_candidates(reader, generation));
  if (!reader.finish()) return fail(Errc::state_corrupt, "generation");
  return generation;
}

}  // namespace

SecretBuffer encode_record(const RelationshipState& state, const std::optional<Endpoint>& peer_endpoint) {
  CborWriter writer(CborWriter::Memory::secret);
  writer.map(4);
  writer.text("v");
  writer.unsigned_integer(kVersion);
  writer.text("done");
  writer.array(4);
  writer.unsigned_integer(state.executed.incarnation);
  writer.unsigned_integer(state.executed.salt);
  writer.unsigned_integer(state.executed.highest);
  writer.unsigned_integer(state.executed.below);
  writer.text("gens");
  writer.array(state.installed ? 2 : 1);
  writer.bytes(encode_generation(*state.current).reveal());
  if (state.installed) writer.bytes(encode_generation(*state.installed).reveal());
  writer.text("peer");
  writer.text(peer_endpoint ? format_endpoint(*peer_endpoint) : std::string{});
  return writer.take_secret();
}

Result<RestoredAsr> decode_record(const SecretBuffer& record, Instant now) {
  CborReader reader(record.reveal());
  RestoredAsr restored;
  if (reader.map(4) != 4) reader.refuse("record");
  expect_key(reader, "v");
  if (reader.unsigned_integer() != kVersion) reader.refuse("version of a record");
  expect_key(reader, "done");
  expect_array(reader, 4);
  restored.state.executed.incarnation = u32(reader);
  restored.state.executed.salt = u32(reader);
  restored.state.executed.highest = u32(reader);
  restored.state.executed.below = reader.unsigned_integer();
  expect_key(reader, "gens");
  const std::size_t generations = reader.array(2);
  for (std::size_t i = 0; i < generations && reader.ok(); ++i) {
    AKM_ASSIGN(Generation generation, decode_generation(reader.bytes(kGenerationBytes, 1), now));
    (i == 0 ? restored.state.current : restored.state.installed) = std::move(generation);
  }
  expect_key(reader, "peer");
  const std::string_view endpoint = reader.text(kEndpointTextBytes);
  if (!endpoint.empty()) {
    AKM_ASSIGN(restored.peer_endpoint, parse_endpoint(endpoint));
  }
  const bool one_asr = restored.state.current &&
                       (!restored.state.installed ||
                        restored.state.installed->description->id == restored.state.current->description->id);
  if (!reader.finish() || !one_asr) return fail(Errc::state_corrupt, "record");
  return restored;
}

}  // namespace akm::protocol
