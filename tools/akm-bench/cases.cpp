#include "tools/akm-bench/cases.h"

#include <fmt/core.h>

#include <filesystem>

#include "daemon/base/atomic_file.h"
#include "daemon/protocol/frame.h"
#include "tools/akm-bench/bare_crypto.h"
#include "tools/akm-bench/dtls_peer.h"
#include "tools/akm-bench/group.h"
#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

/// What `run` does once, many times.
template <typename Work>
std::function<void(std::size_t)> times(Work work) {
  return [work](std::size_t n) mutable {
    while (n-- > 0) work();
  };
}

/// The cryptography of a rekey, by OpenSSL with contexts kept, and nothing around it.
struct Bare {
  BareGcm& gcm;
  BareHmac& hmac;

  void rekey(std::size_t members, std::size_t frames) const {
    const std::vector<std::uint8_t> payload(50);
    const std::array<std::uint8_t, 160> input{};
    std::vector<std::uint8_t> sealed(payload.size() + 16);
    std::vector<std::uint8_t> opened(payload.size());
    for (std::size_t i = 0; i < members; ++i) {
      bare_key_step(hmac, std::span(input).first<32>(), input, members);
      gcm.set_seal_key();
      for (std::size_t other = 1; other < members; ++other) gcm.set_open_key();
    }
    for (std::size_t i = 0; i < frames; ++i) {
      gcm.seal(payload, payload, sealed);
      if (!gcm.open(payload, sealed, opened)) stop("open");
    }
  }
};

}  // namespace

void key_step() {
  BareHmac hmac;
  const std::array<std::uint8_t, 32> seed{};
  const std::array<std::uint8_t, 160> input{};
  protocol::KeyContext context;
  context.suite = protocol::Suite::hkdf_sha256_aes256gcm;
  const protocol::ChainState base;
  const auto akm_step = [&] {
    const protocol::Step step = must(protocol::step_chain(context, protocol::Chain::normal, base, 1, seed));
    const protocol::TrafficKey key = must(protocol::sender_key(context.suite, step.session_secret, 1, 2, 3));
    keep(&key);
  };
  compare({.title = "Key step: extract, three expands, sender key",
           .operations = 20'000,
           .limit = {"OpenSSL HMACs, context kept", times([&] { bare_key_step(hmac, seed, input); })},
           .ours = {{"akm step_chain and sender_key", times(akm_step)}}});
}

void frame(std::size_t payload_bytes) {
  BareGcm gcm;
  auto cipher = must(protocol::FrameCipher::create(protocol::Suite::hkdf_sha256_aes256gcm, {}));
  const std::vector<std::uint8_t> payload(payload_bytes);
  const std::array<std::uint8_t, 36> associated{};
  std::vector<std::uint8_t> out(payload_bytes + protocol::kFrameOverheadBytes);
  std::vector<std::uint8_t> opened(payload_bytes);
  const protocol::FrameHeader header{.asr_id = 1, .generation = 1, .epoch = 1, .sequence = 7};
  const auto sealed = std::span(out).subspan(associated.size());
  const auto bare = [&] {
    gcm.seal(associated, payload, sealed);
    if (!gcm.open(associated, sealed, opened)) stop("open");
  };
  const auto akm_frame = [&] {
    must(cipher.seal(header, payload, out));
    must(cipher.open(header, out, opened));
  };
  compare({.title = fmt::format("Frame of {} bytes of payload: seal and open", payload_bytes),
           .operations = 20'000,
           .limit = {"OpenSSL AES-256-GCM, context and key kept", times(bare)},
           .ours = {{"akm FrameCipher", times(akm_frame)}},
           .target = 1 / 0.9});
}

void engine_step() {
  Group group(2, "");
  group.rekey();
  BareGcm gcm;
  const std::vector<std::uint8_t>& forged = group.forged();
  const std::vector<std::uint8_t> garbage(200, 0x55);
  std::vector<std::uint8_t> out(forged.size());
  const auto bare = [&] {
    if (gcm.open(std::span(forged).first(36), std::span(forged).subspan(36), out)) stop("opened");
  };
  compare({.title = "Engine step: frames that an outsider sends",
           .operations = 50'000,
           .limit = {"OpenSSL open that fails, and no more", times(bare)},
           .ours = {{"a forged session frame", times([&] { group.receive(forged); })},
                    {"garbage, refused by its header", times([&] { group.receive(garbage); })}}});
}

void new_key() {
  Group group(2, "");
  group.rekey();
  DtlsPsk dtls;
  BareGcm gcm;
  BareHmac hmac;
  const Bare bare{gcm, hmac};
  compare({.title = "A new key for two parties that share a secret, both ends in one process, nothing stored",
           .operations = 500,
           .limit = {"AKM's seals, opens and key steps, bare", times([&] { bare.rekey(2, group.frames()); })},
           .ours = {{"akm rekey of 2 members", times([&] { group.rekey(); })}},
           .peers = {{"OpenSSL DTLS 1.2 PSK handshake, in memory", times([&] { dtls.handshake(); })}}});
}

void rekey(std::size_t members, bool durable) {
  const std::string folder = durable ? std::filesystem::temp_directory_path().string() + "/akm-bench" : "";
  if (durable) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  Group group(members, folder);
  group.rekey();
  const std::size_t frames = group.frames();
  BareGcm gcm;
  BareHmac hmac;
  const std::vector<std::uint8_t> record(group.record_bytes());
  const Bare one{gcm, hmac};
  const auto bare = [&] {
    for (std::size_t i = 0; durable && i < 2 * members; ++i) {
      must(write_file_atomically(folder + "/bare", record, 0600));
    }
    one.rekey(members, frames);
  };
  compare({.title = fmt::format("Whole rekey of {} members in one process, {} frames, {}", members, frames,
                                durable ? "two durable writes each" : "nothing stored"),
           .operations = durable ? 20U : 500U,
           .limit = {"the same seals, opens, key steps and writes, bare", times(bare)},
           .ours = {{"akm engines", times([&] { group.rekey(); })}},
           .target = 2});
  if (durable) std::filesystem::remove_all(folder);
}

}  // namespace akm::bench
