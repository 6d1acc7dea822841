#include "daemon/nmm/expectations.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace akm::nmm {
namespace {

bool is_of_storage(const Error& error) {
  return error.code == Errc::storage_failed || error.code == Errc::disk_full || error.code == Errc::read_only;
}

std::string record_of(std::uint32_t part) {
  return "nmm-expected-" + std::to_string(part);
}

}  // namespace

/// The parts are stored as they came.
Status Expectations::load() {
  std::vector<protocol::ExpectedNode> nodes;
  for (std::uint32_t number = 0; number < protocol::kConfiguredParts; ++number) {
    const auto bytes = store_.read(record_of(number));
    if (!bytes && bytes.error().code == Errc::not_found) break;
    if (!bytes) return std::unexpected(bytes.error());
    auto part = protocol::ConfigureRequest::decode(bytes->reveal());
    if (!part) return fail(Errc::state_corrupt, record_of(number));
    nodes.insert(nodes.end(), std::make_move_iterator(part->nodes.begin()),
                 std::make_move_iterator(part->nodes.end()));
    if (!part->more) break;
  }
  nodes_ = std::move(nodes);
  return {};
}

Status Expectations::take(const protocol::ConfigureRequest& part) {
  if (part.part == 0) {
    coming_.clear();
    next_part_ = 0;
  }
  if (part.part != next_part_) return fail(Errc::busy, "another part of the Root's records is due");
  AKM_TRY(store_.write(record_of(part.part), part.encode()));
  if (!part.more) AKM_TRY(remove_from(part.part + 1));
  ++next_part_;
  coming_.insert(coming_.end(), part.nodes.begin(), part.nodes.end());
  if (!part.more) nodes_ = std::exchange(coming_, {});
  return set_policies(part);
}

/// One that cannot be stored now is told by the Root again; one that does not hold is said here.
Status Expectations::set_policies(const protocol::ConfigureRequest& part) {
  const auto first = std::make_shared<Status>();
  for (const auto& [asr_id, fields] : part.policies) {
    set_policy_(asr_id, fields, [this, first, id = asr_id](const Status& status) {
      // Members that have not answered yet are told until they do; one that is gone was deleted here.
      if (status || status.error().code == Errc::timed_out || status.error().code == Errc::not_found) return;
      if (!is_of_storage(status.error())) return refused_(id, status.error());
      if (*first) *first = status;
    });
  }
  return *first;
}

/// What an earlier, longer list had.
Status Expectations::remove_from(std::uint32_t part) {
  for (; part < protocol::kConfiguredParts; ++part) {
    const auto there = store_.read(record_of(part));
    if (!there && there.error().code == Errc::not_found) return {};
    AKM_TRY(store_.remove(record_of(part)));
  }
  return {};
}

const protocol::ExpectedNode* Expectations::node(std::string_view name) const {
  const auto at = std::ranges::find(nodes_, name, &protocol::ExpectedNode::name);
  return at == nodes_.end() ? nullptr : &*at;
}

}  // namespace akm::nmm
