#pragma once
// Datagrams do not wait for the disk: what a turn of the loop has queued leaves before the store blocks.
#include <memory>
#include <utility>

#include "daemon/io/loop.h"
#include "daemon/store/sealed_store.h"

namespace akm::service {

/// A sealed store that has the loop send before each writing and removal. What depends on a record is queued
/// after the record was written (Shell, roles), so that nothing leaves earlier than it may.
class PromptStore final : public store::SealedStore {
 public:
  PromptStore(std::unique_ptr<store::SealedStore> store, io::Loop& loop)
      : store_(std::move(store)), loop_(loop) {}

  Result<SecretBuffer> read(std::string_view name) override { return store_->read(name); }
  Status write(std::string_view name, std::span<const std::uint8_t> record) override {
    loop_.send_queued();
    return store_->write(name, record);
  }
  Status write_all(std::span<const store::NamedRecord> records) override {
    loop_.send_queued();
    return store_->write_all(records);
  }
  Status remove(std::string_view name) override {
    loop_.send_queued();
    return store_->remove(name);
  }
  Result<std::string> set_aside(std::string_view name) override {
    loop_.send_queued();
    return store_->set_aside(name);
  }
  Result<std::vector<std::string>> list() override { return store_->list(); }
  void forget() override { store_->forget(); }

 private:
  std::unique_ptr<store::SealedStore> store_;
  io::Loop& loop_;
};

}  // namespace akm::service
