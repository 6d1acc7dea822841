#include "daemon/protocol/key_schedule.h"

#include <limits>

#include "daemon/base/cursor.h"
#include "daemon/crypto/secret_observer.h"
#include "daemon/protocol/suite.h"

namespace akm::protocol {
namespace {

// A label with its prefix and its end: "akm1 session" || 0x00. The literal's own terminator is that byte.
template <std::size_t N>
constexpr std::span<const std::uint8_t> label_bytes(const std::array<std::uint8_t, N>& label) {
  return label;
}
template <std::size_t N>
consteval std::array<std::uint8_t, N + 5> label(const char (&name)[N]) {
  std::array<std::uint8_t, N + 5> out{'a', 'k', 'm', '1', ' '};
  for (std::size_t i = 0; i < N; ++i) out[i + 5] = static_cast<std::uint8_t>(name[i]);
  return out;
}
constexpr auto kSession = label("session");
constexpr auto kSeed = label("seed");
constexpr auto kPdv = label("pdv");
constexpr auto kSender = label("sender");
constexpr auto kExport = label("export");
constexpr auto kCheck = label("check");
constexpr auto kRerootPdv = label("reroot pdv");
constexpr auto kRerootSeed = label("reroot seed");
constexpr auto kRerootFallbackPdv = label("reroot fallback pdv");
constexpr auto kRerootFallbackSeed = label("reroot fallback seed");

std::array<std::uint8_t, 4> u32_bytes(std::uint32_t value) {
  std::array<std::uint8_t, 4> out{};
  Writer(out).u32(value);
  return out;
}

constexpr std::size_t kExportMostBytes = 1024;

}  // namespace

ContextBytes encode_context(const KeyContext& context, Chain chain, std::uint32_t epoch) {
  ContextBytes out{};
  Writer writer(out);
  writer.u16(static_cast<std::uint16_t>(context.suite));
  writer.u64(context.asr_id);
  writer.u32(context.generation);
  writer.u8(static_cast<std::uint8_t>(chain));
  writer.u32(epoch);
  writer.bytes(context.roster_hash);
  return out;
}

Result<Step> step_chain(const KeyContext& context, Chain chain, const ChainState& base, std::uint32_t target,
                        std::span<const std::uint8_t> contributions) {
  if (!contributions.empty() && contributions.size() != 32) {
    return fail(Errc::invalid_argument, "contributions are empty or a transcript");
  }
  if (target <= base.epoch) return fail(Errc::invalid_argument, "a chain steps forward only");
  const crypto::Hash hash = suite_hash(context.suite);
  Step step;
  step.prk = SecretBuffer(crypto::hash_bytes(hash));
  step.session_secret = SecretBuffer(crypto::hash_bytes(hash));
  step.next.epoch = target;
  const ContextBytes bound = encode_context(context, chain, target);
  crypto::HkdfExpander expander(hash, base.seed.reveal(), {base.pdv.reveal(), contributions},
                                step.prk.reveal_mutable());
  AKM_TRY(expander.expand({kSession, bound}, step.session_secret.reveal_mutable()));
  AKM_TRY(expander.expand({kSeed, bound}, step.next.seed.reveal_mutable()));
  AKM_TRY(expander.expand({kPdv, bound}, step.next.pdv.reveal_mutable()));
  crypto::observe_secret("session secret", step.session_secret.reveal());
  crypto::observe_secret("chain seed", step.next.seed.reveal());
  crypto::observe_secret("chain pdv", step.next.pdv.reveal());
  return step;
}

Result<TrafficKey> sender_key(Suite suite, const SecretBuffer& session_secret, std::uint16_t index,
                              std::uint32_t incarnation, std::uint32_t salt) {
  std::array<std::uint8_t, 10> sender{};
  Writer writer(sender);
  writer.u16(index);
  writer.u32(incarnation);
  writer.u32(salt);
  SecretBytes<44> both;
  AKM_TRY(crypto::hkdf_expand(suite_hash(suite), session_secret.reveal(), {kSender, sender},
                              both.reveal_mutable()));
  TrafficKey out{SecretBytes<32>::copy_of(both.reveal().first<32>()),
                 SecretBytes<12>::copy_of(both.reveal().last<12>())};
  crypto::observe_secret("sender key", out.key.reveal());
  return out;
}

Result<SecretBuffer> export_key(const KeyContext& context, Chain chain, std::uint32_t epoch,
                                const SecretBuffer& session_secret, std::string_view name,
                                std::span<const std::uint8_t> consumer, std::size_t length) {
  if (name.empty() || name.size() > 255 || consumer.size() > 255 || length < 1 || length > kExportMostBytes) {
    return fail(Errc::invalid_argument, "name, context or length of an exported key");
  }
  const std::array<std::uint8_t, 1> name_length{static_cast<std::uint8_t>(name.size())};
  const std::vector<std::uint8_t> name_bytes(name.begin(), name.end());
  SecretBuffer out(length);
  AKM_TRY(
      crypto::hkdf_expand(suite_hash(context.suite), session_secret.reveal(),
                          {kExport, encode_context(context, chain, epoch), name_length, name_bytes, consumer},
                          out.reveal_mutable()));
  crypto::observe_secret("exported key", out.reveal());
  return out;
}

Result<KeyCheckValue> key_check_value(const KeyContext& context, Chain chain, std::uint32_t epoch,
                                      const SecretBuffer& session_secret) {
  KeyCheckValue out{};
  AKM_TRY(crypto::hkdf_expand(suite_hash(context.suite), session_secret.reveal(),
                              {kCheck, encode_context(context, chain, epoch)}, out));
  return out;
}

Result<ChainState> reroot(const KeyContext& context, Chain target_chain, Chain stepped, std::uint32_t t,
                          std::uint32_t e, const SecretBuffer& prk) {
  if (target_chain >= stepped || stepped > Chain::failsafe) {
    return fail(Errc::invalid_argument, "a chain re-roots those before it");
  }
  if (e == std::numeric_limits<std::uint32_t>::max())
    return fail(Errc::exhausted, "no epoch after the high epoch");
  const bool normal = target_chain == Chain::normal;
  const ContextBytes bound = encode_context(context, stepped, t);
  const auto high_epoch = u32_bytes(e);
  ChainState out;
  out.epoch = e;
  crypto::HkdfExpander expander(suite_hash(context.suite), prk.reveal());
  AKM_TRY(
      expander.expand({normal ? label_bytes(kRerootPdv) : label_bytes(kRerootFallbackPdv), bound, high_epoch},
                      out.pdv.reveal_mutable()));
  AKM_TRY(expander.expand(
      {normal ? label_bytes(kRerootSeed) : label_bytes(kRerootFallbackSeed), bound, high_epoch},
      out.seed.reveal_mutable()));
  crypto::observe_secret("re-rooted pdv", out.pdv.reveal());
  crypto::observe_secret("re-rooted seed", out.seed.reveal());
  return out;
}

}  // namespace akm::protocol
