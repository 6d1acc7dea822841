#pragma once
// A stand-in for the Root's role: it notes what it was asked and answers with samples, or with an error.
#include <string>
#include <utility>
#include <vector>

#include "daemon/root/control_port.h"

namespace akm::test {

class FakeRoot final : public root::ControlPort, public root::ConfigPort {
 public:
  FakeRoot() {
    snapshot.state = "ready";
    snapshot.root_id = 0x99;
    snapshot.name = "south";
    snapshot.version = "0.1.0";
    snapshot.key_storage = "sealed by a TPM";
    snapshot.hardware_protected = true;
    snapshot.incarnation = 4;
    snapshot.io_backend = "io_uring";
    snapshot.listen = "192.0.2.2:7402";
    snapshot.database = "sqlite /var/lib/akm-rootd/root.db";
    snapshot.revision = 12;
    snapshot.pruned_to = 2;
    snapshot.findings = {"one"};
    snapshot.counters = {{"nmms", 2}};
    known = {{0x77, "north", "active", 2, "192.0.2.9:7400", 1'000'000'000, "0.1.0", 20, 3}};
    record = {Kind::policy, 5, 7, {{"nnrt_ms", "1000"}, {"note", "a b"}}};
    change = {9, 1'700'000'000'000'000'000, "uid 0", 3, Kind::node, 0xa1, store::Fields{{"a", "1"}}, {}};
    difference = {Kind::node, 0xa1, "a", "1", {}};
    report = {0x77, Kind::node, 0xa1, 4, 5, {{"state", "active"}}};
    incident = {3, 0x77, 0, 6, "breach-detected", 2, 0xa1, 0xb2, {{"class", "debugger"}}};
  }

  [[nodiscard]] root::StatusSnapshot status() const override { return snapshot; }
  [[nodiscard]] std::vector<root::NmmSnapshot> nmms() const override { return known; }
  void create_root_secret(Done done) override {
    calls.emplace_back("create_root_secret");
    done(result);
  }
  void prepare_nmm(Prepare what, const std::string& directory, const std::string& who,
                   Reply<Prepared> reply) override {
    note("prepare_nmm " + what.nmm_name + " " + std::to_string(what.nmm_id) + " " +
         std::to_string(what.hardware_value.size()) + " " + directory + " by " + who);
    answer(std::move(reply), Prepared{0x77, directory + "/x.akmbundle", std::move(code)});
  }
  void provision_nmm(Prepare what, const std::string& address, const std::string& who,
                     Reply<std::uint64_t> reply) override {
    note("provision_nmm " + what.nmm_name + " " + address + " by " + who);
    answer<std::uint64_t>(std::move(reply), 0x77);
  }
  void replace_nmm(std::uint64_t nmm_id, std::vector<std::uint8_t> value, const std::string& directory,
                   const std::string& who, Reply<Prepared> reply) override {
    note("replace_nmm " + std::to_string(nmm_id) + " " + std::to_string(value.size()) + " " + directory +
         " by " + who);
    answer(std::move(reply), Prepared{nmm_id, directory + "/x.akmbundle", std::move(code)});
  }
  void replace_nmm_direct(std::uint64_t nmm_id, const std::string& address, const std::string& who,
                          Reply<std::uint64_t> reply) override {
    note("replace_nmm_direct " + std::to_string(nmm_id) + " " + address + " by " + who);
    answer(std::move(reply), nmm_id);
  }
  void prepare_nmm_on_token(Prepare what, const std::string& uri, UniqueFd pin, const std::string& who,
                            Reply<PreparedOnToken> reply) override {
    note("prepare_nmm_on_token " + what.nmm_name + " " + std::to_string(what.nmm_id) + " " +
         std::to_string(what.replaces) + " " + uri + " by " + who);
    code = std::move(pin);
    answer(std::move(reply), PreparedOnToken{0x77, "'carrier'", true});
  }
  void prepare_nmm_for_tpm(Prepare what, std::vector<std::uint8_t> identity, const std::string& place,
                           const std::string& who, Reply<PreparedForTpm> reply) override {
    note("prepare_nmm_for_tpm " + what.nmm_name + " " + std::to_string(what.replaces) + " " +
         std::to_string(identity.size()) + " " + place + " by " + who);
    answer(std::move(reply), PreparedForTpm{0x77, place + "/x.akmbundle", "f", "d", false, "nobody"});
  }
  void begin_direct(Prepare what, const std::string& address, const std::string& who,
                    Reply<DirectOffer> reply) override {
    note("begin_direct " + what.nmm_name + " " + std::to_string(what.replaces) + " " + address + " by " +
         who);
    answer(std::move(reply),
           DirectOffer{
               7, "AAAAA-BBBBB-CCCCC-DDDDD", std::vector<std::uint8_t>(32, 0x42), {{"dmi", "def"}}, true});
  }
  void confirm_direct(std::uint64_t handle, const std::string& fingerprint,
                      Reply<std::uint64_t> reply) override {
    note("confirm_direct " + std::to_string(handle) + " " + fingerprint);
    answer<std::uint64_t>(std::move(reply), 0x77);
  }
  [[nodiscard]] ConfigPort& configuration() override { return *this; }

  void get(Kind kind, std::uint64_t id, Reply<store::ConfigRecord> reply) override {
    note("get " + std::string(kind_name(kind)) + " " + std::to_string(id));
    answer(std::move(reply), record);
  }
  void list(Kind kind, std::uint64_t after, Reply<std::vector<store::ConfigRecord>> reply) override {
    note("list " + std::string(kind_name(kind)) + " " + std::to_string(after));
    answer(std::move(reply), page(record, after < record.id));
  }
  void set(Kind kind, std::uint64_t id, store::Fields changes, std::optional<std::uint64_t> expected,
           const std::string& who, Reply<std::uint64_t> reply) override {
    std::string call = "set " + std::string(kind_name(kind)) + " " + std::to_string(id);
    for (const auto& [name, value] : changes) call.append(" ").append(name).append("=").append(value);
    note(call + (expected ? " if " + std::to_string(*expected) : "") + " by " + who);
    answer<std::uint64_t>(std::move(reply), 13);
  }
  void remove(Kind kind, std::uint64_t id, const std::string& who, Reply<std::uint64_t> reply) override {
    note("remove " + std::string(kind_name(kind)) + " " + std::to_string(id) + " by " + who);
    answer<std::uint64_t>(std::move(reply), 14);
  }
  void history(std::uint64_t after, Reply<std::vector<store::Change>> reply) override {
    note("history " + std::to_string(after));
    answer(std::move(reply), page(change, after < change.revision));
  }
  void diff(std::uint64_t from, std::uint64_t to, Reply<std::vector<store::FieldDifference>> reply) override {
    note("diff " + std::to_string(from) + " " + std::to_string(to));
    answer(std::move(reply), std::vector{difference});
  }
  void rollback(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) override {
    note("rollback " + std::to_string(revision) + " by " + who);
    answer<std::uint64_t>(std::move(reply), 15);
  }
  void prune(std::uint64_t revision, const std::string& who, Reply<std::uint64_t> reply) override {
    note("prune " + std::to_string(revision) + " by " + who);
    answer<std::uint64_t>(std::move(reply), 3);
  }
  void reports(Kind kind, std::uint64_t nmm_id, std::uint64_t after_nmm, std::uint64_t after_id,
               Reply<std::vector<store::ReportRow>> reply) override {
    note("reports " + std::string(kind_name(kind)) + " " + std::to_string(nmm_id) + " " +
         std::to_string(after_nmm) + " " + std::to_string(after_id));
    answer(std::move(reply),
           page(report, std::pair(after_nmm, after_id) < std::pair(report.nmm_id, report.id)));
  }
  void incidents(std::uint64_t nmm_id, std::uint64_t after,
                 Reply<std::vector<store::IncidentRow>> reply) override {
    note("incidents " + std::to_string(nmm_id) + " " + std::to_string(after));
    answer(std::move(reply), page(incident, after < incident.number));
  }

  root::StatusSnapshot snapshot;
  std::vector<root::NmmSnapshot> known;
  store::ConfigRecord record;
  store::Change change;
  store::FieldDifference difference;
  store::ReportRow report;
  store::IncidentRow incident;
  UniqueFd code;
  Status result;
  std::vector<std::string> calls;

 private:
  /// The one row, and nothing behind it.
  template <typename Row>
  static std::vector<Row> page(const Row& row, bool there) {
    return there ? std::vector{row} : std::vector<Row>{};
  }
  void note(std::string call) { calls.push_back(std::move(call)); }
  template <typename T>
  void answer(Reply<T> reply, T value) {
    if (!result) return reply(std::unexpected(result.error()));
    reply(std::move(value));
  }
};

}  // namespace akm::test
