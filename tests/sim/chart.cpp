#include "tests/sim/chart.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>

#include "daemon/protocol/control_message.h"
#include "daemon/protocol/frame.h"
#include "daemon/protocol/session_payload.h"
#include "tests/sim/domain.h"
#include "tests/sim/fleet.h"

namespace akm::sim {
namespace {

constexpr std::size_t kColumn = 8;
constexpr std::size_t kColumnsAtMost = 12;  // wider charts go without lifelines
constexpr std::int64_t kBegin = 1'000'000'000'000;
constexpr std::size_t kTagAtEnd = protocol::limits::kTagBytes;

std::size_t place_of(std::size_t machine) {
  return machine * kColumn + kColumn / 2;
}

/// What a session or control payload says, in a few letters.
std::string payload_words(const protocol::FrameHeader& header, std::span<const std::uint8_t> payload) {
  if (header.type == protocol::FrameType::session) {
    const auto said = protocol::decode_session_payload(payload);
    if (!said) return "session";
    constexpr std::array<std::string_view, 4> kEvents{"SE", "SEI", "SEC", "SEF"};
    std::string words(kEvents[static_cast<std::size_t>(said->event)]);
    if (said->closing) words += " closing";
    words += " t" + std::to_string(said->target);
    if (said->initiator != protocol::kNoInitiator) words += " i" + std::to_string(said->initiator);
    if (said->bitmap.count() != 0) words += " of " + std::to_string(said->bitmap.count());
    return words;
  }
  const auto fragment = protocol::decode_fragment(payload);
  if (!fragment) return "control";
  std::string words(protocol::method_name(fragment->header.method));
  if (fragment->header.kind == protocol::MessageKind::response) {
    words += " " + std::string(protocol::control_status_name(fragment->header.status));
  }
  return words + " #" + std::to_string(fragment->header.request_id % 1000);
}

struct Search {
  const protocol::FrameHeader& header;
  std::span<const std::uint8_t> bytes;
  protocol::Suite suite;
  std::optional<std::string> words;
};

/// Tries a secret that is alive at the sender as the session secret of the frame.
void try_secret(void* context, std::span<const std::uint8_t> secret) {
  auto& search = *static_cast<Search*>(context);
  if (search.words || (secret.size() != 32 && secret.size() != 48)) return;
  const auto key = protocol::sender_key(search.suite, SecretBuffer::copy_of(secret), search.header.index,
                                        search.header.incarnation, search.header.salt);
  if (!key) return;
  auto cipher = protocol::FrameCipher::create(search.suite, *key);
  std::vector<std::uint8_t> plain(search.bytes.size() - protocol::kFrameOverheadBytes);
  if (cipher && cipher->open(search.header, search.bytes, plain))
    search.words = payload_words(search.header, plain);
}

}  // namespace

std::string Chart::describe_frame(std::size_t sender, const std::vector<std::uint8_t>& bytes) const {
  const auto header = protocol::parse_header(bytes);
  if (!header) return "no frame";
  const auto suite = header->asr_id == kGroup ? setting_.suite : protocol::Suite::hkdf_sha256_aes256gcm;
  Search search{*header, bytes, suite, std::nullopt};
  each_live(static_cast<Owner>(sender + 1), try_secret, &search);
  std::string words = search.words.value_or("?");
  words += " (g" + std::to_string(header->generation) + " e" + std::to_string(header->epoch);
  if (header->chain != protocol::Chain::normal)
    words += " c" + std::to_string(static_cast<unsigned>(header->chain));
  return words + " #" + std::to_string(header->sequence) + ")";
}

std::string Chart::label(const std::vector<std::uint8_t>& bytes) const {
  const auto found = labels_.find({bytes.end() - static_cast<std::ptrdiff_t>(kTagAtEnd), bytes.end()});
  return found == labels_.end() ? "?" : found->second;
}

void Chart::effect(std::size_t machine, const protocol::Effect& effect, bool done) {
  if (const auto* send = std::get_if<protocol::SendFrame>(&effect)) {
    labels_[{send->bytes.end() - static_cast<std::ptrdiff_t>(kTagAtEnd), send->bytes.end()}] =
        describe_frame(machine, send->bytes);
  } else if (std::holds_alternative<protocol::PersistAsr>(effect)) {
    mark(machine, done ? "stores" : "cannot store");
  } else if (std::holds_alternative<protocol::ForgetAsr>(effect)) {
    mark(machine, "forgets");
  } else if (const auto* committed = std::get_if<protocol::SessionCommitted>(&effect)) {
    mark(machine, "commits generation " + std::to_string(committed->generation) + " epoch " +
                      std::to_string(committed->epoch) + (committed->asr_id == kGroup ? "" : " of a link"));
  } else if (const auto* failed = std::get_if<protocol::AttemptFailed>(&effect)) {
    mark(machine, "attempt " + std::to_string(failed->target) + " failed");
  } else if (!done) {
    mark(machine, "keyring fails");
  }
}

void Chart::arriving(const Packet& packet) {
  std::string text = packet.origin == Origin::replayed ? " replayed"
                     : packet.origin == Origin::forged ? " forged"
                     : packet.origin == Origin::lie    ? " a lie"
                                                       : "";
  if (packet.damaged) text += " damaged";
  arrow_ = lines_.size();
  arrow(packet, '>', text);
}

void Chart::delivered(const Packet& /*packet*/, const Delivery& delivery) {
  if (delivery.refusal)
    lines_[arrow_] += " refused: " + std::string(protocol::refusal_name(*delivery.refusal));
}

std::string Chart::lifelines() const {
  std::string lines(watched_fleet().size() * kColumn, ' ');
  for (std::size_t i = 0; i < watched_fleet().size(); ++i) lines[place_of(i)] = '|';
  return lines;
}

void Chart::line(const std::string& lines, const std::string& text) {
  std::array<char, 32> time{};
  std::snprintf(time.data(), time.size(), "%12.3f ",
                static_cast<double>(watched_fleet().now().ns - kBegin) / 1e6);
  const bool wide = watched_fleet().size() > kColumnsAtMost;
  lines_.push_back(std::string(time.data()) + (wide ? "" : lines + "  ") + text);
}

void Chart::mark(std::size_t machine, const std::string& text) {
  if (watched_fleet().now().ns == kBegin) return;  // the set-up is always the same
  std::string lines = lifelines();
  lines[place_of(machine)] = '*';
  line(lines, name_of_machine(machine) + " " + text);
}

void Chart::arrow(const Packet& packet, char end, const std::string& text) {
  std::string lines = lifelines();
  const std::size_t from = place_of(packet.from);
  const std::size_t to = place_of(packet.to);
  const std::size_t left = std::min(from, to);
  const std::size_t right = std::max(from, to);
  for (std::size_t at = left + 1; at < right; ++at) lines[at] = '-';
  const char head = end == 'x' ? 'x' : from < to ? '>' : '<';
  if (from != to) lines[from < to ? to - 1 : to + 1] = head;
  line(lines, name_of_machine(packet.from) + (end == 'x' ? " -x " : " -> ") + name_of_machine(packet.to) +
                  " " + label(packet.bytes) + text);
}

std::string Chart::text(std::size_t most) const {
  std::string out = "          ms ";
  if (watched_fleet().size() <= kColumnsAtMost) {
    for (std::size_t i = 0; i < watched_fleet().size(); ++i) {
      std::string name = name_of_machine(i);
      name.insert(0, (kColumn - name.size()) / 2 + 1, ' ');
      name.resize(kColumn, ' ');
      out += name;
    }
  }
  out += "\n";
  const std::size_t skipped = lines_.size() > most ? lines_.size() - most : 0;
  if (skipped != 0) out += "  (" + std::to_string(skipped) + " lines before)\n";
  for (std::size_t i = skipped; i < lines_.size(); ++i) out += lines_[i] + "\n";
  return out;
}

}  // namespace akm::sim
