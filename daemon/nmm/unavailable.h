#pragma once
// What answers on the bus when the state could not be unsealed: it says so, deletes nothing and does nothing.
#include <functional>
#include <string>
#include <vector>

#include "daemon/nmm/control_port.h"

namespace akm::nmm {

class Unavailable final : public ControlPort {
 public:
  Unavailable(StatusSnapshot status, Error why) : status_(std::move(status)), why_(std::move(why)) {}

  [[nodiscard]] StatusSnapshot status() const override { return status_; }
  [[nodiscard]] std::vector<NodeSnapshot> nodes() const override { return {}; }
  [[nodiscard]] std::vector<AsrSnapshot> asrs() const override { return {}; }
  void create_root_secret(Done done) override { done(refusal()); }
  void prepare_bundle(Prepare, Destination, Reply<Prepared> reply) override { reply(refusal()); }
  void list_drives(Reply<std::vector<DriveSnapshot>> reply) override { reply(refusal()); }
  void prepare_token(Prepare, const std::string&, UniqueFd, Reply<PreparedOnToken> reply) override {
    reply(refusal());
  }
  void prepare_for_tpm(PrepareForTpm, Reply<PreparedForTpm> reply) override { reply(refusal()); }
  void provision_direct(Prepare, const std::string&, Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void begin_direct(Prepare, const std::string&, Reply<DirectOffer> reply) override { reply(refusal()); }
  void confirm_direct(std::uint64_t, const std::string&, Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void create_asr(const std::string&, std::vector<std::uint64_t>, std::map<std::string, std::string>,
                  Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void add_member(std::uint64_t, std::uint64_t, Done done) override { done(refusal()); }
  void remove_member(std::uint64_t, std::uint64_t, Done done) override { done(refusal()); }
  void rekey(std::uint64_t, Done done) override { done(refusal()); }
  void set_policy(std::uint64_t, std::map<std::string, std::string>, Done done) override { done(refusal()); }
  void delete_asr(std::uint64_t, Done done) override { done(refusal()); }
  void quarantine(std::uint64_t, Done done) override { done(refusal()); }
  void attest(std::uint64_t, bool, Reply<Attested> reply) override { reply(refusal()); }
  void set_golden_pcrs(std::uint64_t, std::array<std::uint8_t, 32>, Done done) override { done(refusal()); }
  Result<HardwareIdentity> hardware_identity() override { return refusal(); }
  void provision_from_file(const std::string&, UniqueFd, Done done) override { done(refusal()); }
  void provision_from_memfd(UniqueFd, Done done) override { done(refusal()); }
  void tpm_identity(Reply<TpmIdentity> reply) override { reply(refusal()); }
  void provision_from_tpm_file(const std::string&, const std::vector<std::uint8_t>&, Done done) override {
    done(refusal());
  }
  void provision_from_token(const std::string&, UniqueFd, Done done) override { done(refusal()); }
  Result<HandoverOffer> offer_handover() override { return refusal(); }
  void provision_sealed(std::vector<std::uint8_t>, Done done) override { done(refusal()); }
  void readmit(std::uint64_t, Done done) override { done(refusal()); }
  void make_backup(UniqueFd, Reply<MadeBackup> reply) override { reply(refusal()); }
  void test_backup(UniqueFd, UniqueFd, Reply<BackupFacts> reply) override { reply(refusal()); }
  void restore_backup(UniqueFd, UniqueFd, Reply<BackupFacts> reply) override { reply(refusal()); }
  void confirm_asr(std::uint64_t, Done done) override { done(refusal()); }
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> describe(
      std::uint64_t) const override {
    return refusal();
  }
  void reprovision(std::uint64_t, Done done) override { done(refusal()); }
  void rehome(std::uint64_t, std::vector<std::uint8_t>, Done done) override { done(refusal()); }
  void retire(std::uint64_t, bool, Done done) override { done(refusal()); }
  void accept_hardware(Done done) override {
    if (!accept_) return done(refusal());
    done(accept_());
  }
  /// What accept_hardware() does, where that is what it takes.
  void on_accept(std::move_only_function<Status()> accept) { accept_ = std::move(accept); }

 private:
  [[nodiscard]] std::unexpected<Error> refusal() const { return std::unexpected(why_); }

  StatusSnapshot status_;
  Error why_;
  std::move_only_function<Status()> accept_;
};

}  // namespace akm::nmm
