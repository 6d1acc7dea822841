#include "tools/akm-bench/group.h"

#include <algorithm>

#include "tools/akm-bench/measure.h"

namespace akm::bench {
namespace {

constexpr std::uint16_t kFirstPort = 7400;

Endpoint endpoint_of(std::size_t member) {
  Endpoint endpoint = must(parse_endpoint("127.0.0.1:0"));
  endpoint.port = static_cast<std::uint16_t>(kFirstPort + member);
  return endpoint;
}

protocol::Asr make_asr(std::size_t members, RandomSource& random) {
  protocol::Asr asr;
  asr.description.id = Group::kId;
  asr.description.label = "bench";
  for (std::size_t i = 0; i < members; ++i) {
    asr.description.roster.push_back({.index = static_cast<std::uint16_t>(i),
                                      .node_id = 1000 + i,
                                      .role = protocol::Role::node,
                                      .name = "n" + std::to_string(i),
                                      .endpoints = {format_endpoint(endpoint_of(i))}});
  }
  for (protocol::ChainState& chain : asr.chains) {
    must(random.fill(chain.pdv.reveal_mutable()));
    must(random.fill(chain.seed.reveal_mutable()));
  }
  return asr;
}

}  // namespace

Group::Group(std::size_t members, const std::string& folder) {
  const protocol::Asr asr = make_asr(members, random_);
  SecretBytes<32> storage_key;
  must(random_.fill(storage_key.reveal_mutable()));
  for (std::size_t i = 0; i < members; ++i) {
    One one{.engine = protocol::Engine({.incarnation = 1, .salt = static_cast<std::uint32_t>(i + 1)}),
            .store = {},
            .endpoint = endpoint_of(i)};
    if (!folder.empty()) {
      one.store = must(store::SealedStore::open(folder + "/" + std::to_string(i), storage_key, random_));
    }
    members_.push_back(std::move(one));
  }
  for (std::size_t i = 0; i < members; ++i) {
    protocol::InstallAsr install;
    install.asr = asr.clone();
    install.own_index = static_cast<std::uint16_t>(i);
    carry_out(i, members_[i].engine.step(std::move(install), boottime_now(), random_));
  }
  deliver();
}

void Group::rekey() {
  frames_ = 0;
  const std::uint32_t wanted = members_[0].epoch + 1;
  carry_out(0, members_[0].engine.step(protocol::RequestRekey{kId}, boottime_now(), random_));
  deliver();
  const auto all_there = [&] {
    return std::ranges::all_of(members_, [wanted](const One& one) { return one.epoch >= wanted; });
  };
  // Time is real here: what an engine repeats or delays becomes due by itself.
  while (!all_there()) {
    for (std::size_t i = 0; i < members_.size(); ++i) {
      const auto due = members_[i].engine.next_deadline();
      if (due && *due <= boottime_now()) {
        carry_out(i, members_[i].engine.step(protocol::DeadlineReached{}, boottime_now(), random_));
      }
    }
    deliver();
  }
}

void Group::receive(const std::vector<std::uint8_t>& datagram) {
  std::vector<std::uint8_t> copy = datagram;
  const auto effects = members_[1].engine.step(
      protocol::FrameReceived{.datagram = copy, .from = endpoint_of(0)}, boottime_now(), random_);
  keep(&effects);
}

void Group::carry_out(std::size_t member, protocol::EffectList effects) {
  for (protocol::Effect& effect : effects) {
    if (auto* send = std::get_if<protocol::SendFrame>(&effect)) {
      const auto to = static_cast<std::size_t>(send->to.port - kFirstPort);
      if (to == 1) {
        forged_ = send->bytes;
        forged_.back() ^= 1;
      }
      ++frames_;
      wire_.push_back({to, members_[member].endpoint, std::move(send->bytes)});
    } else if (const auto* committed = std::get_if<protocol::SessionCommitted>(&effect)) {
      members_[member].epoch = committed->epoch;
    } else if (auto* persist = std::get_if<protocol::PersistAsr>(&effect)) {
      record_bytes_ = persist->record.size();
      if (members_[member].store) must(members_[member].store->write("asr", persist->record.reveal()));
    }
  }
}

void Group::deliver() {
  while (!wire_.empty()) {
    Datagram datagram = std::move(wire_.front());
    wire_.pop_front();
    carry_out(datagram.to, members_[datagram.to].engine.step(
                               protocol::FrameReceived{.datagram = datagram.bytes, .from = datagram.from},
                               boottime_now(), random_));
  }
}

}  // namespace akm::bench
