// Known answers of docs/protocol.md, sections 3, 4, 5 and 7: `vector_check FILE` computes everything in FILE
// anew and exits non-zero at the first answer that differs. FILE is a JSON list of cases in the form of
// akm1.json.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/base/hex.h"
#include "daemon/protocol/frame.h"
#include "daemon/protocol/provisioning.h"
#include "daemon/protocol/suite.h"
#include "daemon/protocol/transcript.h"

namespace akm::protocol {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<std::uint8_t>;

// The only file of the project's own that throws: nlohmann-json does on a missing field, and main catches
// both.
class Wrong : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename T>
T value_of(Result<T> result, const std::string& what) {
  if (!result) throw Wrong(what + ": " + result.error().message());
  return std::move(*result);
}

Bytes bytes_of(const Json& json) {
  return value_of(parse_hex(json.get<std::string>()), "hex");
}

template <std::size_t N>
std::array<std::uint8_t, N> array_of(const Json& json) {
  const Bytes bytes = bytes_of(json);
  if (bytes.size() != N) throw Wrong("a value of another length");
  std::array<std::uint8_t, N> out{};
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

std::uint64_t id_of(const Json& json) {
  return value_of(parse_hex_id(json.get<std::string>()), "id");
}

ChainState chain_of(const Json& json, std::uint32_t epoch) {
  return {SecretBytes<128>::copy_of(array_of<128>(json.at("pdv"))),
          SecretBytes<32>::copy_of(array_of<32>(json.at("seed"))), epoch};
}

class Case {
 public:
  explicit Case(const Json& json) : json_(json) {
    description_.id = id_of(json.at("asr_id"));
    description_.suite = value_of(parse_suite(json.at("suite").get<std::uint64_t>()), "suite");
    description_.generation = json.at("generation");
    for (const Json& member : json.at("members")) {
      description_.roster.push_back({.index = member.at("index"),
                                     .node_id = id_of(member.at("node_id")),
                                     .role = static_cast<Role>(member.at("role").get<unsigned>()),
                                     .name = {},
                                     .endpoints = {}});
    }
    context_ = {description_.suite, description_.id, description_.generation, description_.roster_hash()};
  }

  /// Number of answers compared.
  int run() {
    same("roster_hash", context_.roster_hash, json_.at("roster_hash"));
    first_steps();
    sender();
    exports();
    for (const Json& one : json_.at("establish")) establish(one);
    for (const Json& one : json_.at("frames")) frame(one);
    provision(json_.at("provision"));
    return checks_;
  }

 private:
  void same(const std::string& what, std::span<const std::uint8_t> computed, const Json& expected) {
    const std::string ours = hex(computed);
    if (ours != expected.get<std::string>()) {
      throw Wrong(what + ": computed " + ours + ", the file says " + expected.get<std::string>());
    }
    ++checks_;
  }
  void same_number(const std::string& what, std::uint64_t computed, const Json& expected) {
    if (computed != expected.get<std::uint64_t>()) {
      throw Wrong(what + ": computed " + std::to_string(computed) + ", the file says " + expected.dump());
    }
    ++checks_;
  }
  void same_chain(const std::string& what, const ChainState& computed, const Json& expected) {
    same(what + " pdv", computed.pdv.reveal(), expected.at("pdv"));
    same(what + " seed", computed.seed.reveal(), expected.at("seed"));
  }
  void require(const std::string& what, bool held) {
    if (!held) throw Wrong(what);
    ++checks_;
  }

  void first_steps() {
    const Json& install = json_.at("install");
    if (install.size() != kChainCount) throw Wrong("install: three chains");
    for (std::size_t i = 0; i < kChainCount; ++i) {
      installed_.push_back(value_of(
          step_chain(context_, static_cast<Chain>(i), chain_of(install[i], 0), 1, {}), "first step"));
    }
    for (const Json& one : json_.at("first")) {
      const Step& step = installed_.at(one.at("chain").get<std::size_t>());
      same("first session_secret", step.session_secret.reveal(), one.at("session_secret"));
      same_chain("first", step.next, one);
    }
  }

  void sender() {
    const Json& one = json_.at("sender");
    const TrafficKey key = value_of(sender_key(description_.suite, installed_[0].session_secret,
                                               one.at("index"), one.at("incarnation"), one.at("salt")),
                                    "sender key");
    same("sender key", key.key.reveal(), one.at("key"));
    same("sender iv", key.iv.reveal(), one.at("iv"));
  }

  void exports() {
    const Json& one = json_.at("export");
    const SecretBuffer key = value_of(
        export_key(context_, Chain::normal, 1, installed_[0].session_secret,
                   one.at("name").get<std::string>(), bytes_of(one.at("consumer")), one.at("length")),
        "export");
    same("export", key.reveal(), one.at("okm"));
  }

  void check_reroot(const Json& one, const char* name, Chain target, Chain stepped, std::uint32_t t,
                    std::uint32_t e, const SecretBuffer& prk) {
    require(std::string(name) + " is there exactly when the chain re-roots it",
            one.contains(name) == (target < stepped));
    if (!one.contains(name)) return;
    const Json& expected = one.at(name);
    const ChainState state = value_of(reroot(context_, target, stepped, t, e, prk), name);
    same_chain(name, state, expected);
    same_number(std::string(name) + " epoch", state.epoch, expected.at("epoch"));
    const Step next = value_of(step_chain(context_, target, state, e + 1, {}), name);
    same(std::string(name) + " next_session_secret", next.session_secret.reveal(),
         expected.at("next_session_secret"));
  }

  void establish(const Json& one) {
    const auto chain = static_cast<Chain>(one.at("chain").get<unsigned>());
    const std::uint32_t target = one.at("target");
    std::vector<std::array<std::uint8_t, 32>> values;
    for (const Json& c : one.at("contributions")) values.push_back(array_of<32>(c.at("contribution")));
    std::vector<Contribution> contributions;
    for (const Json& c : one.at("contributions")) {
      contributions.push_back({c.at("index"), values[contributions.size()], c.at("high_epoch")});
    }
    Bitmap participants = Bitmap::for_roster(description_);
    for (const Json& index : one.at("participants")) participants.set(index.get<std::uint16_t>());
    require("bitmap fits the roster", participants.fits(description_));
    require("one contribution of each participant", participants.count() == contributions.size());
    const Digest32 digest = value_of(contributions_digest(contributions), "D");
    const std::uint32_t high_epoch = highest_epoch(contributions);
    same("D", digest, one.at("D"));
    same_number("E", high_epoch, one.at("E"));
    same("bitmap", participants.bytes(), one.at("bitmap"));
    const Digest32 agreed =
        transcript(context_, chain, target, one.at("initiator"), high_epoch, digest, participants);
    same("transcript", agreed, one.at("transcript"));
    const ChainState& base = installed_.at(static_cast<std::size_t>(chain)).next;
    const Step step = value_of(step_chain(context_, chain, base, target, agreed), "step");
    same("session_secret", step.session_secret.reveal(), one.at("session_secret"));
    same_chain("step", step.next, one);
    check_reroot(one, "reroot_normal", Chain::normal, chain, target, high_epoch, step.prk);
    check_reroot(one, "reroot_fallback", Chain::fallback, chain, target, high_epoch, step.prk);
  }

  // Each bit of the first and last byte of every part: header, ciphertext, tag.
  void check_tampering(FrameCipher& cipher, const FrameHeader& header, const Bytes& sealed, Bytes& out) {
    for (const std::size_t place : {std::size_t{0}, limits::kFrameHeaderBytes - 1, limits::kFrameHeaderBytes,
                                    sealed.size() - limits::kTagBytes, sealed.size() - 1}) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        Bytes tampered = sealed;
        tampered[place] = static_cast<std::uint8_t>(tampered[place] ^ (1U << bit));
        require("a tampered frame is refused", !cipher.open(header, tampered, out));
      }
    }
    const std::span<const std::uint8_t> whole(sealed);
    const auto shorter = whole.first(whole.size() - 1);
    Bytes short_out(out.empty() ? 0 : out.size() - 1);
    require("a shortened frame is refused", !cipher.open(header, shorter, short_out));
  }

  void frame(const Json& one) {
    const FrameHeader header{.type = static_cast<FrameType>(one.at("type").get<unsigned>()),
                             .chain = static_cast<Chain>(one.at("chain").get<unsigned>()),
                             .index = one.at("index"),
                             .incarnation = one.at("incarnation"),
                             .asr_id = description_.id,
                             .generation = description_.generation,
                             .epoch = one.at("epoch"),
                             .sequence = one.at("seq"),
                             .salt = one.at("salt")};
    const Step& step = installed_.at(static_cast<std::size_t>(header.chain));
    if (header.epoch != step.next.epoch) throw Wrong("frame: only epoch 1 has a known session secret");
    const TrafficKey key = value_of(
        sender_key(description_.suite, step.session_secret, header.index, header.incarnation, header.salt),
        "key");
    FrameCipher cipher = value_of(FrameCipher::create(description_.suite, key), "cipher");
    const Bytes sealed = value_of(seal_frame(cipher, header, bytes_of(one.at("plain"))), "seal");
    same("frame", sealed, one.at("frame"));
    const Bytes received = bytes_of(one.at("frame"));
    const auto parsed = parse_header(received);
    require("the header parses to what was sealed", parsed && *parsed == header);
    Bytes out(received.size() - kFrameOverheadBytes);
    require("the frame opens", cipher.open(*parsed, received, out).has_value());
    same("plain", out, one.at("plain"));
    check_tampering(cipher, header, received, out);
  }

  void provision(const Json& one) {
    std::vector<HardwareSource> sources;
    for (const Json& source : one.at("sources")) sources.push_back({source.at(0), source.at(1)});
    const HardwareValue hardware = value_of(hardware_value(sources), "hardware value");
    same("hardware_value", hardware, one.at("hardware_value"));
    const auto root = ProvisioningRoot::copy_of(array_of<kProvisioningRootBytes>(one.at("prs")));
    const Chains chains = value_of(derive_provisioning_chains(root, hardware, id_of(one.at("nmm_id")),
                                                              id_of(one.at("node_id")), one.at("serial")),
                                   "provisioning");
    const Json& expected = one.at("chains");
    if (expected.size() != kChainCount) throw Wrong("provision: three chains");
    for (std::size_t i = 0; i < kChainCount; ++i) same_chain("provision", chains.at(i), expected[i]);
    const auto use_id = array_of<kSingleUseIdBytes>(one.at("single_use_id"));
    same("mask", value_of(mask_chains(chains, hardware, use_id), "mask"), one.at("mask"));
    const Chains unmasked =
        value_of(unmask_chains(array_of<kMaskBytes>(one.at("mask")), hardware, use_id), "unmask");
    for (std::size_t i = 0; i < kChainCount; ++i) same_chain("unmasked", unmasked.at(i), expected[i]);
  }

  const Json& json_;
  AsrDescription description_;
  KeyContext context_;
  std::vector<Step> installed_;  // each chain at epoch 1
  int checks_ = 0;
};

int check_file(const char* path) {
  std::ifstream file(path);
  if (!file) throw Wrong("cannot be read");
  const Json cases = Json::parse(file);
  if (!cases.is_array() || cases.empty()) throw Wrong("not a list of cases");
  int checks = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    try {
      checks += Case(cases[i]).run();
    } catch (const std::exception& error) {
      throw Wrong("case " + std::to_string(i) + ": " + error.what());
    }
  }
  (void)std::printf("%s: %zu cases, %d checks, all as expected\n", path, cases.size(), checks);
  return 0;
}

}  // namespace
}  // namespace akm::protocol

int main(int argc, char** argv) {
  if (argc != 2) {
    (void)std::fputs("usage: vector_check FILE\n", stderr);
    return 2;
  }
  try {
    return akm::protocol::check_file(argv[1]);
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
    return 1;
  }
}
