#pragma once
// Stand-ins for the roles behind the bus: they note what they were asked and answer as the test says.
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/audit_port.h"
#include "daemon/base/policy_port.h"
#include "daemon/base/sealing_port.h"
#include "daemon/nmm/control_port.h"
#include "daemon/node/control_port.h"
#include "tests/support/fake_backups.h"

namespace akm::test {

inline AsrSnapshot sample_asr(std::uint64_t id, const std::string& label) {
  AsrSnapshot asr;
  asr.id = id;
  asr.kind = "operational";
  asr.label = label;
  asr.suite = "AKM1-X";
  asr.generation = 3;
  asr.epoch = 17;
  asr.phase = "established";
  asr.key_check = "1a2b3c4d";
  asr.roster_hash = "00ff";
  asr.own_index = 1;
  constexpr std::int64_t kSecond = 1'000'000'000;
  asr.members = {{0, 0xa1, "A", {"192.0.2.1:7400"}, "heard", 3, 17, 880 * kSecond, 988 * kSecond, 3, "", 0},
                 {1, 0xb2, "B", {}, "silent", 3, 16, 500 * kSecond, 0, 0, "its SEI", 996 * kSecond}};
  asr.policy = {{"rekey_interval_s", "60"}};
  asr.now_ns = 1000 * kSecond;
  asr.since_ns = 880 * kSecond;
  asr.phase_since_ns = 996 * kSecond;
  asr.chain = "fallback";
  asr.target = 18;
  asr.installed_generation = 4;
  asr.waits_for = "SEI of the stragglers";
  asr.waits_until_ns = 1006 * kSecond;
  asr.stragglers = {{0xb2, "B", "its SEI", 996 * kSecond},
                    {0xc3, "C", "retire sent, not confirmed", 940 * kSecond}};
  asr.counters = {{"data_received", 5}, {"data_sent", 7}};
  asr.exported_keys = {{"backup", "00ff", "logon", 815, 3, 17, {0, 1000}},
                       {"vpn", "", "user", 816, 3, 17, {7}}};
  return asr;
}

class FakeSealing final : public SealingPort {
 public:
  void pcrs(Reply<PcrFacts> reply) override { reply(facts); }
  void predict(PcrChanges changes, Reply<PcrPrediction> reply) override {
    asked = std::move(changes);
    reply(PcrPrediction{{1}, {2, 3}});
  }
  void authorise(PcrChanges changes, std::vector<std::uint8_t> given, Done done) override {
    asked = std::move(changes);
    signature = std::move(given);
    done({});
  }
  void reseal(SecretBuffer given, Done done) override {
    secret = std::move(given);
    done({});
  }
  void recover(SecretBuffer, Done done) override { done(fail(Errc::not_authentic, "another secret")); }

  PcrFacts facts{1U << 7, std::vector<std::uint8_t>(32, 1), std::vector<std::uint8_t>(32, 2), 3, true};
  PcrChanges asked;
  std::vector<std::uint8_t> signature;
  SecretBuffer secret;
};

/// A log of three records, of which two are one incident.
class FakeAudit final : public AuditPort {
 public:
  FakeAudit() {
    AuditRecord begun;
    begun.number = 1;
    begun.boottime_ns = 1'000'000'000;
    begun.name = "audit-opened";
    AuditRecord breach = begun;
    breach.number = 2;
    breach.boottime_ns = 2'000'000'000;
    breach.severity = 2;
    breach.incident = 0xabc;
    breach.name = "breach-detected";
    breach.fields = {{"class", "key-access"},
                     {"grade", "critical"},
                     {"outcome", "succeeded"},
                     {"subject.pid", "42"},
                     {"operation", "read"}};
    AuditRecord revoked = breach;
    revoked.number = 3;
    revoked.boottime_ns = 2'000'500'000;
    revoked.name = "keys-revoked";
    revoked.fields = {{"relationships", "1"}};
    all = {begun, breach, revoked};
    summaries = {{.id = 0xabc,
                  .first = 2,
                  .last = 3,
                  .records = 2,
                  .boottime_ns = 2'000'000'000,
                  .unix_ns = 1,
                  .detection = "key-access",
                  .grade = "critical",
                  .node = "",
                  .state = "keys-revoked"}};
  }
  void verify(Reply<AuditVerdict> reply) override {
    if (failure) return reply(std::unexpected(*failure));
    reply(verdict);
  }
  void records(std::uint64_t from, std::uint32_t count, std::uint64_t of,
               Reply<std::vector<AuditRecord>> reply) override {
    after = from;
    most = count;
    incident = of;
    std::vector<AuditRecord> out;
    for (const AuditRecord& one : all) {
      if (one.number > from && (of == 0 || one.incident == of)) out.push_back(one);
    }
    reply(std::move(out));
  }
  void incidents(std::uint64_t from, std::uint32_t count,
                 Reply<std::vector<IncidentSummary>> reply) override {
    after = from;
    most = count;
    std::vector<IncidentSummary> out;
    for (const IncidentSummary& one : summaries) {
      if (one.first > from) out.push_back(one);
    }
    reply(std::move(out));
  }
  Result<std::vector<std::uint64_t>> check_seals(const std::vector<AuditSeal>& given) override {
    seals = given;
    std::vector<std::uint64_t> bad;
    for (const AuditSeal& one : given) bad.push_back(one.number);
    return bad;
  }

  AuditVerdict verdict{
      .files = 1, .records = 3, .first = 1, .last = 3, .sealed = 2, .findings = {}, .notes = {"a note"}};
  std::vector<AuditRecord> all;
  std::vector<IncidentSummary> summaries;
  std::optional<Error> failure;
  std::uint64_t after = 0;
  std::uint32_t most = 0;
  std::uint64_t incident = 0;
  std::vector<AuditSeal> seals;
};

class FakePolicy final : public PolicyPort {
 public:
  [[nodiscard]] Result<std::map<std::string, std::string>> policy_facts(
      const std::string& scope) const override {
    if (scope == "nowhere") return fail(Errc::not_found, scope);
    return std::map<std::string, std::string>{{"digest", ""}, {"scope", scope}, {"source", "default"}};
  }
  Status set_policy_text(const std::string& scope, const std::string& given) override {
    calls.push_back("set_policy_text " + scope);
    text = given;
    return {};
  }
  [[nodiscard]] std::vector<MaintenanceFacts> maintenance() const override { return windows; }
  Status start_maintenance(const std::string& scope, std::uint32_t seconds, const std::string& why) override {
    calls.push_back("start_maintenance " + scope + " " + std::to_string(seconds));
    windows.push_back({scope, 1, 1 + std::int64_t{seconds} * 1'000'000'000, why});
    return {};
  }
  Status stop_maintenance(const std::string& scope) override {
    calls.push_back("stop_maintenance " + scope);
    if (windows.empty()) return fail(Errc::not_found, "no window is open");
    windows.clear();
    return {};
  }

  std::vector<std::string> calls;
  std::string text;
  std::vector<MaintenanceFacts> windows;
};

class FakeNode final : public node::ControlPort {
 public:
  FakeNode() {
    snapshot.state = node::NodeState::active;
    snapshot.node_id = 0xa1;
    snapshot.node_name = "A";
    snapshot.nmm_id = 0x77;
    snapshot.nmm_name = "north";
    snapshot.version = "0.1.0";
    snapshot.key_storage = "sealed by a TPM";
    snapshot.hardware_protected = true;
    snapshot.incarnation = 5;
    snapshot.io_backend = "io_uring";
    snapshot.listen = "192.0.2.1:7400";
    snapshot.keyring = 123456;
    snapshot.probes = {{"key-access", "tracepoint, healthy"}};
    snapshot.counters = {{"frames_received", 12}, {"frames_refused_not_authentic", 3}};
    relationships = {sample_asr(0x1, "alpha")};
    identity.value.assign(32, 0x42);
    identity.sources = {{"tpm-ek", "abc"}, {"dmi", "def"}};
  }
  [[nodiscard]] node::StatusSnapshot status() const override { return snapshot; }
  [[nodiscard]] std::vector<AsrSnapshot> asrs() const override { return relationships; }
  Result<HardwareIdentity> hardware_identity() override {
    calls.emplace_back("hardware_identity");
    if (!deferred.result) return std::unexpected(deferred.result.error());
    return identity;
  }
  void provision_from_file(const std::string& path, UniqueFd code, Done done) override {
    calls.push_back("provision_from_file " + path);
    received = std::move(code);
    deferred.answer(std::move(done));
  }
  void provision_from_memfd(UniqueFd bundle, Done done) override {
    calls.emplace_back("provision_from_memfd");
    received = std::move(bundle);
    deferred.answer(std::move(done));
  }
  void provision_from_token(const std::string& uri, UniqueFd pin, Done done) override {
    calls.push_back("provision_from_token " + uri);
    received = std::move(pin);
    deferred.answer(std::move(done));
  }
  void tpm_identity(Reply<TpmIdentity> reply) override {
    calls.emplace_back("tpm_identity");
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(TpmIdentity{{1, 2, 3}, std::string(64, 'f')});
  }
  void provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                               Done done) override {
    if (!tpm_bundle) return done(fail(Errc::not_supported));
    calls.push_back("provision_from_tpm_file " + path + " " + std::to_string(digest.size()));
    deferred.answer(std::move(done));
  }
  void activate(Done done) override {
    calls.emplace_back("activate");
    deferred.answer(std::move(done));
  }
  void rekey(std::uint64_t asr_id, Done done) override {
    calls.push_back("rekey " + std::to_string(asr_id));
    deferred.answer(std::move(done));
  }
  void zeroize(Reply<std::string> reply) override {
    calls.emplace_back("zeroize");
    deferred.answer([this, reply = std::move(reply)](const Status& status) mutable {
      reply(status ? Result<std::string>(receipt) : std::unexpected(status.error()));
    });
  }
  Result<Offer> offer_handover() override {
    calls.emplace_back("offer_handover");
    if (!deferred.result) return std::unexpected(deferred.result.error());
    return Offer{identity, handover_key, "0-1-2"};
  }
  void provision_sealed(std::vector<std::uint8_t> bundle, Done done) override {
    calls.emplace_back("provision_sealed");
    sealed = std::move(bundle);
    deferred.answer(std::move(done));
  }
  void rehome(Done done) override {
    calls.emplace_back("rehome");
    deferred.answer(std::move(done));
  }
  void generalize(Done done) override {
    calls.emplace_back("generalize");
    deferred.answer(std::move(done));
  }
  Result<std::int32_t> export_key(const KeyExport& what, const Caller& caller) override {
    calls.push_back("export_key " + std::to_string(what.asr_id) + " " + what.name + " " +
                    std::to_string(what.context.size()) + " " + what.type + " " +
                    std::to_string(what.keyring) + " for " + std::to_string(caller.uid));
    caller_pid = caller.pid;
    if (!deferred.result) return std::unexpected(deferred.result.error());
    return 4711;
  }
  Status release_key(std::uint64_t asr_id, std::int32_t serial, const Caller& caller) override {
    calls.push_back("release_key " + std::to_string(asr_id) + " " + std::to_string(serial) + " for " +
                    std::to_string(caller.uid));
    return deferred.result;
  }

  node::StatusSnapshot snapshot;
  std::vector<AsrSnapshot> relationships;
  HardwareIdentity identity;
  bool tpm_bundle = false;  // what provision_from_tpm_file is given
  std::vector<std::string> calls;
  UniqueFd received;
  std::int32_t caller_pid = 0;
  std::vector<std::uint8_t> handover_key = std::vector<std::uint8_t>(32, 9);
  std::vector<std::uint8_t> sealed;
  std::string receipt = "{}";
  Deferred deferred;
};

class FakeNmm final : public FakeBackups {
 public:
  FakeNmm() {
    snapshot.state = "ready";
    snapshot.nmm_id = 0x77;
    snapshot.name = "north";
    snapshot.version = "0.1.0";
    snapshot.key_storage = "sealed in software";
    snapshot.incarnation = 2;
    snapshot.io_backend = "epoll (io_uring is disabled by sysctl)";
    snapshot.listen = "192.0.2.9:7400";
    snapshot.findings = {"The storage key is sealed in software only"};
    snapshot.counters = {{"requests_sent", 4}};
    members = {{0xa1, "A", "active", 1, "192.0.2.1:7400", 1'000'000'000, {1}, "0.1.0"},
               {0xb2, "B", "prepared", 2, "", 0, {}, ""}};
    relationships = {sample_asr(0x1, "alpha")};
    relationships[0].key_check.clear();
  }
  [[nodiscard]] nmm::StatusSnapshot status() const override { return snapshot; }
  [[nodiscard]] std::vector<nmm::NodeSnapshot> nodes() const override { return members; }
  [[nodiscard]] std::vector<AsrSnapshot> asrs() const override { return relationships; }
  void create_root_secret(Done done) override { note("create_root_secret", std::move(done)); }
  void list_drives(Reply<std::vector<nmm::DriveSnapshot>> reply) override {
    calls.emplace_back("list_drives");
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(drives);
  }
  void prepare_bundle(Prepare what, Destination to, Reply<Prepared> reply) override {
    calls.push_back("prepare_bundle " + what.node_name + " " + to.place + (to.force ? " by force" : ""));
    prepare = std::move(what);
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(Prepared{0xc3, to.place + "/" + prepare.node_name + ".akmbundle", std::move(code)});
  }
  void prepare_token(Prepare what, const std::string& uri, UniqueFd pin,
                     Reply<PreparedOnToken> reply) override {
    calls.push_back("prepare_token " + what.node_name + " " + uri);
    prepare = std::move(what);
    code = std::move(pin);
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(PreparedOnToken{0xc3, "'carrier'", true});
  }
  void prepare_for_tpm(PrepareForTpm what, Reply<PreparedForTpm> reply) override {
    calls.push_back("prepare_for_tpm " + what.node_name + " " + what.place);
    for_tpm = std::move(what);
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(prepared_for_tpm);
  }
  void set_golden_pcrs(std::uint64_t node, std::array<std::uint8_t, 32> pcr_digest, Done done) override {
    note("set_golden_pcrs " + std::to_string(node) + " " + std::to_string(pcr_digest[0]), std::move(done));
  }
  void provision_direct(Prepare what, const std::string& bus_address, Reply<std::uint64_t> reply) override {
    calls.push_back("provision_direct " + what.node_name + " " + bus_address);
    prepare = std::move(what);
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(0xc3);
  }
  void begin_direct(Prepare what, const std::string& bus_address, Reply<DirectOffer> reply) override {
    calls.push_back("begin_direct " + what.node_name + " " + bus_address);
    prepare = std::move(what);
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(offer);
  }
  void confirm_direct(std::uint64_t handle, const std::string& fingerprint,
                      Reply<std::uint64_t> reply) override {
    calls.push_back("confirm_direct " + std::to_string(handle) + " " + fingerprint);
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(0xc3);
  }
  Result<std::vector<std::pair<std::string, std::string>>> describe(std::uint64_t node) const override {
    if (node != 0xa1) return fail(Errc::not_found);
    return std::vector<std::pair<std::string, std::string>>{{"State", "active"}};
  }
  void reprovision(std::uint64_t node, Done done) override {
    note("reprovision " + std::to_string(node), std::move(done));
  }
  void rehome(std::uint64_t node, std::vector<std::uint8_t> value, Done done) override {
    note("rehome " + std::to_string(node) + " " + std::to_string(value.size()), std::move(done));
  }
  void retire(std::uint64_t node, bool forget, Done done) override {
    note("retire " + std::to_string(node) + (forget ? " forget" : ""), std::move(done));
  }
  void accept_hardware(Done done) override { note("accept_hardware", std::move(done)); }
  void create_asr(const std::string& label, std::vector<std::uint64_t> node_ids,
                  std::map<std::string, std::string> policy, Reply<std::uint64_t> reply) override {
    std::string call = "create_asr " + label;
    for (const std::uint64_t id : node_ids) call += " " + std::to_string(id);
    for (const auto& [key, value] : policy) call.append(" ").append(key).append("=").append(value);
    calls.push_back(std::move(call));
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(0x2);
  }
  void add_member(std::uint64_t asr, std::uint64_t node, Done done) override {
    note("add_member", asr, node, std::move(done));
  }
  void remove_member(std::uint64_t asr, std::uint64_t node, Done done) override {
    note("remove_member", asr, node, std::move(done));
  }
  void rekey(std::uint64_t asr, Done done) override { note("rekey " + std::to_string(asr), std::move(done)); }
  void set_policy(std::uint64_t asr, std::map<std::string, std::string> policy, Done done) override {
    std::string call = "set_policy " + std::to_string(asr);
    for (const auto& [key, value] : policy) call.append(" ").append(key).append("=").append(value);
    note(std::move(call), std::move(done));
  }
  Result<HardwareIdentity> hardware_identity() override { return identity; }
  void provision_from_file(const std::string& path, UniqueFd the_code, Done done) override {
    calls.push_back("provision_from_file " + path);
    received = std::move(the_code);
    deferred.answer(std::move(done));
  }
  void provision_from_memfd(UniqueFd bundle, Done done) override {
    calls.emplace_back("provision_from_memfd");
    received = std::move(bundle);
    deferred.answer(std::move(done));
  }
  void provision_from_token(const std::string& uri, UniqueFd pin, Done done) override {
    calls.push_back("provision_from_token " + uri);
    received = std::move(pin);
    deferred.answer(std::move(done));
  }
  void tpm_identity(Reply<TpmIdentity> reply) override {
    calls.emplace_back("tpm_identity");
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(TpmIdentity{{1, 2, 3}, std::string(64, 'f')});
  }
  void provision_from_tpm_file(const std::string& path, const std::vector<std::uint8_t>& digest,
                               Done done) override {
    calls.push_back("provision_from_tpm_file " + path + " " + std::to_string(digest.size()));
    deferred.answer(std::move(done));
  }
  Result<HandoverOffer> offer_handover() override {
    calls.emplace_back("offer_handover");
    if (!deferred.result) return std::unexpected(deferred.result.error());
    return HandoverOffer{{identity, handover_key, "0-1-2"}, 0x77};
  }
  void provision_sealed(std::vector<std::uint8_t> bundle, Done done) override {
    calls.emplace_back("provision_sealed");
    sealed = std::move(bundle);
    deferred.answer(std::move(done));
  }
  void attest(std::uint64_t node, bool accept, Reply<Attested> reply) override {
    calls.push_back("attest " + std::to_string(node) + (accept ? " accept" : ""));
    if (!deferred.result) return reply(std::unexpected(deferred.result.error()));
    reply(attested);
  }
  void delete_asr(std::uint64_t asr, Done done) override {
    note("delete_asr " + std::to_string(asr), std::move(done));
  }
  void quarantine(std::uint64_t node, Done done) override {
    note("quarantine " + std::to_string(node), std::move(done));
  }
  void readmit(std::uint64_t node, Done done) override {
    note("readmit " + std::to_string(node), std::move(done));
  }

  nmm::StatusSnapshot snapshot;
  std::vector<nmm::NodeSnapshot> members;
  std::vector<std::uint8_t> handover_key = std::vector<std::uint8_t>(32, 9);
  std::vector<std::uint8_t> sealed;
  std::vector<nmm::DriveSnapshot> drives;
  std::vector<AsrSnapshot> relationships;
  HardwareIdentity identity;
  UniqueFd received;
  Attested attested{.outcome = "same", .pcr_digest = {0xaa}, .log_digest = {}};
  Prepare prepare;
  PrepareForTpm for_tpm;
  PreparedForTpm prepared_for_tpm{.node_id = 0xc3,
                                  .path = "/media/usb/C.akmbundle",
                                  .fingerprint = std::string(64, 'f'),
                                  .digest = std::string(64, 'd'),
                                  .certificate = "nobody",
                                  .pcr_digest = {0xbb}};
  DirectOffer offer{
      7, "AAAAA-BBBBB-CCCCC-DDDDD", std::vector<std::uint8_t>(32, 0x42), {{"dmi", "def"}}, true};
  UniqueFd code;

 private:
  using FakeBackups::note;
  void note(const std::string& call, std::uint64_t asr, std::uint64_t node, Done done) {
    note(call + " " + std::to_string(asr) + " " + std::to_string(node), std::move(done));
  }
};

}  // namespace akm::test
