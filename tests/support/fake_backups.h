#pragma once
// What a fake NMM answers about backups, and how fakes answer later.
#include <string>
#include <utility>
#include <vector>

#include "daemon/nmm/control_port.h"
#include "dbus/sealed_memfd.h"

namespace akm::test {

/// Keeps replies that are not to be given yet.
struct Deferred {
  bool on = false;
  std::vector<Done> waiting;
  Status result{};
  void answer(Done done) {
    if (on) {
      waiting.push_back(std::move(done));
    } else {
      done(result);
    }
  }
};

class FakeBackups : public nmm::ControlPort {
 public:
  void make_backup(UniqueFd secret, Reply<MadeBackup> reply) override {
    calls.push_back(std::string("make_backup") + (secret ? " under " + text_of(secret) : ""));
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(MadeBackup{memfd_of("the backup"), secret ? UniqueFd() : memfd_of("0123A-BCDEF-GHJKM-NPQRS")});
  }
  void test_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) override {
    open_backup("test_backup", file, secret, reply);
  }
  void restore_backup(UniqueFd file, UniqueFd secret, Reply<BackupFacts> reply) override {
    open_backup("restore_backup", file, secret, reply);
  }
  void open_backup(const char* what, const UniqueFd& file, const UniqueFd& secret,
                   Reply<BackupFacts>& reply) {
    calls.push_back(std::string(what) + " " + text_of(file) + " with " + text_of(secret));
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(BackupFacts{0x11, "north", 1'700'000'000, 7, {{0xa1, "a", "active", 3}}, {{0xb1, "g", 5, 2}}});
  }
  void confirm_asr(std::uint64_t asr, Done done) override {
    note("confirm_asr " + std::to_string(asr), std::move(done));
  }
  static UniqueFd memfd_of(std::string_view text) {
    auto fd =
        dbus::make_sealed_memfd("test", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    return fd ? std::move(*fd) : UniqueFd();
  }
  static std::string text_of(const UniqueFd& fd) {
    const auto bytes = dbus::read_public_memfd(fd.get(), 4096);
    return bytes ? std::string(bytes->begin(), bytes->end()) : "?";
  }

  std::vector<std::string> calls;
  Deferred deferred;

 protected:
  void note(std::string call, Done done) {
    calls.push_back(std::move(call));
    deferred.answer(std::move(done));
  }
};

}  // namespace akm::test
