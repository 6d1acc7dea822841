#include "daemon/watch/watch_memory.h"

#include "daemon/protocol/cbor.h"

namespace akm::watch {
namespace {

constexpr std::string_view kRecord = "watch-memory";

}  // namespace

WatchMemory::WatchMemory(store::SealedStore* store) : store_(store) {
  if (store_ == nullptr) return;
  const auto stored = store_->read(kRecord);
  if (!stored) return;
  protocol::CborReader reader(stored->reveal());
  Facts facts = reader.text_map(kMemoryPairs, kMemoryTextBytes);
  if (reader.finish()) facts_ = std::move(facts);
}

std::string WatchMemory::value(std::string_view name) const {
  const auto found = facts_.find(std::string(name));
  return found == facts_.end() ? std::string() : found->second;
}

void WatchMemory::set(const std::string& name, const std::string& value) {
  if (this->value(name) == value || name.size() > kMemoryTextBytes || value.size() > kMemoryTextBytes) return;
  if (facts_.size() >= kMemoryPairs && !facts_.contains(name)) return;
  facts_[name] = value;
  changed_ = true;
}

Status WatchMemory::save() {
  if (!changed_ || store_ == nullptr) return {};
  protocol::CborWriter writer;
  writer.text_map(facts_);
  AKM_TRY(store_->write(kRecord, writer.take()));
  changed_ = false;
  return {};
}

}  // namespace akm::watch
