#pragma once
// What answers on the bus when the state could not be unsealed: it says so, deletes nothing and does nothing.
#include <string>
#include <utility>
#include <vector>

#include "daemon/root/control_port.h"

namespace akm::root {

class Unavailable final : public ControlPort, public ConfigPort {
 public:
  Unavailable(StatusSnapshot status, Error why) : status_(std::move(status)), why_(std::move(why)) {}

  [[nodiscard]] StatusSnapshot status() const override { return status_; }
  [[nodiscard]] std::vector<NmmSnapshot> nmms() const override { return {}; }
  void create_root_secret(Done done) override { done(refusal()); }
  void prepare_nmm(Prepare, const std::string&, const std::string&, Reply<Prepared> reply) override {
    reply(refusal());
  }
  void provision_nmm(Prepare, const std::string&, const std::string&, Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void replace_nmm(std::uint64_t, std::vector<std::uint8_t>, const std::string&, const std::string&,
                   Reply<Prepared> reply) override {
    reply(refusal());
  }
  void replace_nmm_direct(std::uint64_t, const std::string&, const std::string&,
                          Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void prepare_nmm_on_token(Prepare, const std::string&, UniqueFd, const std::string&,
                            Reply<PreparedOnToken> reply) override {
    reply(refusal());
  }
  void prepare_nmm_for_tpm(Prepare, std::vector<std::uint8_t>, const std::string&, const std::string&,
                           Reply<PreparedForTpm> reply) override {
    reply(refusal());
  }
  void begin_direct(Prepare, const std::string&, const std::string&, Reply<DirectOffer> reply) override {
    reply(refusal());
  }
  void confirm_direct(std::uint64_t, const std::string&, Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  [[nodiscard]] ConfigPort& configuration() override { return *this; }

  void get(Kind, std::uint64_t, Reply<store::ConfigRecord> reply) override { reply(refusal()); }
  void list(Kind, std::uint64_t, Reply<std::vector<store::ConfigRecord>> reply) override { reply(refusal()); }
  void set(Kind, std::uint64_t, store::Fields, std::optional<std::uint64_t>, const std::string&,
           Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void remove(Kind, std::uint64_t, const std::string&, Reply<std::uint64_t> reply) override {
    reply(refusal());
  }
  void history(std::uint64_t, Reply<std::vector<store::Change>> reply) override { reply(refusal()); }
  void diff(std::uint64_t, std::uint64_t, Reply<std::vector<store::FieldDifference>> reply) override {
    reply(refusal());
  }
  void rollback(std::uint64_t, const std::string&, Reply<std::uint64_t> reply) override { reply(refusal()); }
  void prune(std::uint64_t, const std::string&, Reply<std::uint64_t> reply) override { reply(refusal()); }
  void reports(Kind, std::uint64_t, std::uint64_t, std::uint64_t,
               Reply<std::vector<store::ReportRow>> reply) override {
    reply(refusal());
  }
  void incidents(std::uint64_t, std::uint64_t, Reply<std::vector<store::IncidentRow>> reply) override {
    reply(refusal());
  }

 private:
  [[nodiscard]] std::unexpected<Error> refusal() const { return std::unexpected(why_); }

  StatusSnapshot status_;
  Error why_;
};

}  // namespace akm::root
