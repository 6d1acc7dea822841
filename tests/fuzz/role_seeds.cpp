#include <algorithm>
#include <cstring>

#include "bpf/include/akm_events.h"
#include "daemon/nmm/backup_file.h"
#include "daemon/nmm/nmm_settings.h"
#include "daemon/nmm/record_codec.h"
#include "daemon/node/node_record.h"
#include "daemon/node/node_settings.h"
#include "daemon/service/bundle_tries.h"
#include "daemon/service/policy_text.h"
#include "daemon/store/audit_check.h"
#include "daemon/store/sealed_record.h"
#include "dbus/property.h"
#include "dbus/root_rows.h"
#include "keyring/sealed_blob.h"
#include "keyring/token_object.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/wire_bus.h"
#include "tests/support/sample_asr.h"

namespace akm::fuzz {
namespace {

void sealed(Seeds& seeds) {
  keyring::SealedBlob blob{.kind = keyring::SealerKind::tpm,
                           .pcr_mask = (1U << 0) | (1U << 7),
                           .parent = Bytes(34, 1),
                           .pcr_values = Bytes(2 * keyring::kPcrValueBytes, 2),
                           .public_part = Bytes(78, 3),
                           .private_part = Bytes(160, 4),
                           .endorsement = {},
                           .policy_key = {},
                           .authorised = {}};
  seeds.add("sealed", "blob-tpm", *keyring::encode_sealed_blob(blob), {0});
  blob = {.kind = keyring::SealerKind::software,
          .parent = Bytes(8, 1),
          .pcr_values = {},
          .public_part = Bytes(12, 2),
          .private_part = Bytes(48, 3),
          .endorsement = {},
          .policy_key = {},
          .authorised = {}};
  seeds.add("sealed", "blob-software", *keyring::encode_sealed_blob(blob), {0});
  test::SeededRandom random;
  blob.kind = keyring::SealerKind::token;
  seeds.add("sealed", "blob-token", *keyring::encode_sealed_blob(blob), {0});
  const Bytes body(17, 7);
  const auto kept = keyring::TokenObject{keyring::TokenObject::Form::kept, {}, {}, body}.encode();
  seeds.add("sealed", "token-kept", kept.reveal(), {3});
  const auto with_key = keyring::TokenObject{keyring::TokenObject::Form::sealed, {1}, {2}, body}.encode();
  seeds.add("sealed", "token-sealed", with_key.reveal(), {3});
  seeds.add("sealed", "token-counter", *keyring::encode_counter(7, SecretBytes<32>{}.reveal(), {}), {3});
  seeds.add("sealed", "record", *store::seal_record(SecretBytes<32>{}, "asr-1", Bytes(100, 7), random), {1});
  seeds.add("sealed", "round", Bytes(40, 7), {2, 0x20, 9});
}

void backups(Seeds& seeds) {
  nmm::BackupContent content;
  content.issue.nmm_id = 7;
  content.issue.secrets.push_back({1, {}});
  content.name = "north";
  content.made_s = 1'700'000'000;
  for (const protocol::NodeId id : {protocol::NodeId{1}, protocol::NodeId{2}}) {
    protocol::ReportedNode& node = content.nodes.emplace_back();
    node.id = id;
    node.provisioning_asr = 100 + id;
    node.name = "n" + std::to_string(id);
    node.state = 1;
    node.newest.serial = 1;
  }
  protocol::ReportedAsr& asr = content.asrs.emplace_back();
  asr.id = 9;
  asr.label = "pumps";
  asr.generation = 3;
  asr.roster = {{0, 1}, {1, 2}};
  protocol::DetectionPolicy policy;
  policy.own = false;
  policy.set["responses.key-access"] = std::string("revoke");
  content.policies.emplace("domain", policy);
  seeds.add("backup", "records", content.encode_records(), {1});
  test::SeededRandom random;
  const Bytes secret(20, 'A');
  seeds.add("backup", "file",
            *nmm::seal_backup(content, {SecretBuffer::copy_of(secret), true}, random, {.n = 16384}), {0});
}

void audit(Seeds& seeds) {
  AuditRecord record;
  record.number = 1;
  record.boottime_ns = 5;
  record.severity = 2;
  record.incident = 7;
  record.name = "breach-detected";
  record.fields = {{"class", "key-access"}, {"subject.pid", "42"}};
  store::AuditHead head;
  Bytes file = store::AuditFileHeader{1, head}.encode();
  const Bytes body = store::encode_audit_body(record);
  seeds.add("audit_record", "body", body, {0});
  const Bytes first = store::audit_frame(head, body);
  record.number = 2;
  record.name = store::kSealName;
  record.seal = AuditDigest{9};
  const Bytes second = store::audit_frame(head, store::encode_audit_body(record));
  file.insert(file.end(), first.begin(), first.end());
  file.insert(file.end(), second.begin(), second.end());
  seeds.add("audit_record", "seal", store::encode_audit_body(record), {0});
  seeds.add("audit_record", "file", file, {1});
  seeds.add_text("audit_record", "chained", "some text", {2, 0x20, 9});
  seeds.add("audit_record", "anchor", store::AuditAnchor{1, 2, head}.encode(), {3});
}

void records(Seeds& seeds) {
  nmm::NodeRecord node;
  node.node_id = 5;
  node.name = "node-5";
  node.state = nmm::NodeState::active;
  node.provisioning_asr = 1005;
  node.serial = node.activated_serial = 2;
  node.hardware_value.fill(9);
  node.endpoints = {"192.0.2.5:7400", "[2001:db8::5]:7400"};
  node.version = "0.1.0";
  node.evicted_from = {7, 8};
  node.peer = "192.0.2.5:7400";
  seeds.add("role_records", "nmm-node", nmm::encode_node_record(node), {0});
  nmm::Witness witness;
  witness.machine.sources = {{"dmi-product-uuid", {}}};
  witness.peer = "192.0.2.6:7400";
  witness.what = "activate";
  node.self = node.other = witness;
  node.bind_pending = node.quarantine_pending = true;
  seeds.add("role_records", "nmm-node-pending", nmm::encode_node_record(node), {0});

  test::SeededRandom random;
  nmm::AsrRecord asr;
  asr.description = test::sample_asr(3, random).description;
  seeds.add("role_records", "nmm-asr", nmm::encode_asr_record(asr), {1});
  asr.deleted = asr.immediate = true;
  asr.leaving = {0xa001, 0xa002};
  seeds.add("role_records", "nmm-asr-leaving", nmm::encode_asr_record(asr), {1});

  node::NodeRecord own;
  own.identity = {.asr_id = 5,
                  .nmm_id = 6,
                  .node_id = 7,
                  .nmm_name = "nmm",
                  .node_name = "node",
                  .nmm_endpoints = {"192.0.2.1:7400"},
                  .policy = {}};
  own.state = node::NodeState::quarantined;
  own.pending_report = {0xa0};
  seeds.add("role_records", "node", own.encode(), {2});
  node::BundleLeftover left;
  left.path = "/media/usb/a.akmbundle";
  left.receipt = "{}";
  seeds.add("role_records", "bundle-left", left.encode(), {3});
}

void probes(Seeds& seeds) {
  for (std::uint8_t operation = 1; operation <= AKM_OP_MAX; ++operation) {
    akm_event event{};
    event.version = AKM_EVENT_VERSION;
    const int watch = AKM_WATCH_KEY + operation % (AKM_WATCHES - AKM_WATCH_KEY);
    event.watch = static_cast<__u8>(operation == AKM_OP_SELF_PROBE ? AKM_WATCH_SELF : watch);
    event.operation = operation;
    event.outcome = AKM_OUTCOME_SUCCEEDED;
    event.tier = static_cast<__u8>(AKM_TIER_TRACEPOINT + operation % AKM_TIER_MAX);
    event.flags = operation % 2 == 0 ? AKM_FLAG_PATH | AKM_FLAG_EXECUTABLE_CUT : AKM_FLAG_PATH;
    event.executable_bytes = 11;
    std::memcpy(event.executable, "sh\0bi\x1b\0usr", 11);
    event.digest_bytes = operation == AKM_OP_EXEC ? AKM_DIGEST_BYTES : 0;
    event.parent_tgid = 1;
    std::memcpy(event.parent_comm, "systemd", 7);
    event.argument = 11;
    event.pid = event.tgid = 77;
    event.serial = 1234;
    std::memcpy(event.comm, "evil\x1b[0m", 9);
    std::memcpy(event.path, "/proc/7/mem", 11);
    event.path_bytes = 11;
    Bytes bytes(sizeof event);
    std::memcpy(bytes.data(), &event, sizeof event);
    seeds.add("bpf_record", "operation-" + std::to_string(operation), bytes);
  }
}

// Each key of the example at its default: a line "#key = value" becomes "key = value".
std::string uncommented(const std::string& example) {
  std::string out;
  for (std::size_t i = 0; i < example.size();) {
    std::string line = example.substr(i, example.find('\n', i) - i);
    i += line.size() + 1;
    if (line.starts_with("# ")) continue;
    if (line.starts_with('#')) line.erase(0, 1);
    if (!line.empty()) out += line + "\n";
  }
  return out;
}

void configuration(Seeds& seeds) {
  seeds.add_text("config", "akmd", uncommented(service::example_config("akmd", node::node_schema())), {0});
  seeds.add_text("config", "akm-nmmd", uncommented(service::example_config("akm-nmmd", nmm::nmm_schema())),
                 {1});
  seeds.add_text("config", "consumers",
                 "[[consumers]]\nname = \"vpn\"\nasr = \"asr-1\"\nuser = \"0\"\nexecutable = \"/sbin/vpnd\"\n"
                 "types = [\"user\", \"logon\"]\n[[consumers]]\nname = \"x\"\nkey_bytes = 64\n",
                 {0});
  seeds.add_text(
      "config", "policy",
      "[responses.key-access]\non_critical = [\"zeroize\", \"hook\", \"log\"]\n[hook]\nprogram = \"/x\"\n"
      "[[allow]]\nname = \"a\"\nclasses = [\"bpf-use\"]\ncgroup = \"/x\"\n[[combinations]]\nname = \"b\"\n"
      "first = [\"usb-insertion\"]\nthen = [\"tpm-access\"]\n[recovery]\nquorum_floor = 3\n",
      {2});
  seeds.add_text("config", "wrong-type", "[network]\nlisten = 7\n", {0});
  seeds.add_text("config", "dotted", "network.listen = '[::]:7400'\nlog = { level = \"debug\" }\n", {0});
}

void texts(Seeds& seeds) {
  seeds.add_text("text", "endpoint-4", "192.0.2.1:7400", {0});
  seeds.add_text("text", "endpoint-6", "[2001:db8::1]:7400", {0});
  seeds.add_text("text", "hex-id", "00000000deadbeef", {1});
  seeds.add_text("text", "code", "abcde-fghjk mnpqr-stv0O", {2});
  std::string policy;
  for (const auto& [name, value] : service::policy_to_text({})) policy += name + "=" + value + "\n";
  seeds.add_text("text", "policy", policy, {3});
  seeds.add_text("text", "bus", "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\x85 \xff", {4});
}

void arguments(Seeds& seeds, WireBus& bus) {
  const auto add = [&](const char* name, std::uint8_t reader, const std::function<void(dbus::Writer&)>& fill,
                       std::uint8_t fd = 0) {
    seeds.add("dbus_arguments", name, bus.body_of(fill), {reader, 0xff, fd});
  };
  add("name", 0, [](dbus::Writer& out) { out.text("node-1"); });
  add("path", 1, [](dbus::Writer& out) { out.text("/media/drive/"); });
  add("endpoints", 2, [](dbus::Writer& out) { out.texts({"192.0.2.1:7400", "[2001:db8::1]:7400"}); });
  add("hardware", 3, [](dbus::Writer& out) { out.bytes(Bytes(32, 1)); });
  add("nodes", 4, [](dbus::Writer& out) { out.u64s({1, 2, 3}); });
  add("id", 5, [](dbus::Writer& out) { out.u64(5); });
  add("policy", 6, [](dbus::Writer& out) { out.text_map({{"nnrt_ms", "500"}, {"topology", "star"}}); });
  add("prepare", 8, [](dbus::Writer& out) { out.text("node-1").texts({"192.0.2.1:7400"}).bytes({}); });
  add("create", 9, [](dbus::Writer& out) { out.text("label").u64s({1, 2}).text_map({}); });
  add("export", 10, [](dbus::Writer& out) { out.text("vpn").bytes(Bytes(2, 7)).text("logon").i32(815); });
  // An index into the descriptors of the message.
  seeds.add("dbus_arguments", "fd-sealed", Bytes(4), {7, 0xff, 1});
  seeds.add("dbus_arguments", "fd-open", Bytes(4), {7, 0xff, 2});
}

void property(dbus::Writer& out, const char* name, const char* type, const std::function<void()>& value) {
  out.open('e', "sv").text(name).open('v', type);
  value();
  out.close().close();
}

void asr_properties(dbus::Writer& out) {
  out.open('a', "{sv}");
  property(out, "Id", "t", [&] { out.u64(9); });
  property(out, "Label", "s", [&] { out.text("ring"); });
  property(out, "OwnIndex", "q", [&] { out.u16(1); });
  property(out, "Members", dbus::kMembersType, [&] {
    dbus::put(out, std::vector<MemberSnapshot>{
                       {0, 5, "n0", {"192.0.2.1:7400"}, "heard", 1, 2, 7'000, 8'000, 1, "its SEI", 9'000}});
  });
  property(out, "Now", "x", [&] { out.i64(10'000); });
  property(out, "Target", "u", [&] { out.u32(3); });
  property(out, "WaitsFor", "s", [&] { out.text("SEI of the stragglers"); });
  property(out, "Stragglers", dbus::kStragglersType,
           [&] { dbus::put(out, std::vector<StragglerSnapshot>{{5, "n0", "its SEI", 9'000}}); });
  property(out, "Counters", "a{st}", [&] { out.counter_map({{"data_sent", 7}}); });
  property(out, "ExportedKeys", dbus::kExportedKeysType,
           [&] { dbus::put(out, std::vector<ExportedKey>{{"vpn", "00ff", "user", 815, 1, 2, {0, 1000}}}); });
  property(out, "Policy", "a{ss}", [&] { out.text_map({{"nnrt_ms", "500"}}); });
  property(out, "OfALaterVersion", "a(ii)", [&] { out.open('a', "(ii)").close(); });
  out.close();
}

void root_rows(Seeds& seeds, WireBus& bus) {
  const auto add = [&](const char* name, std::uint8_t reader, const auto& row) {
    seeds.add("dbus_root_rows", name,
              bus.body_of([&](dbus::Writer& out) { dbus::append_rows(out, std::vector{row}); }),
              {reader, 0xff});
  };
  const store::Fields fields{{"name", "north"}};
  using store::RecordKind;
  add("nmm", 0, root::NmmSnapshot{7, "north", "active", 2, "192.0.2.1:7400", 5, "0.1.0", 1, 2});
  add("report", 1, store::ReportRow{7, RecordKind::node, 8, 9, 10, fields});
  add("incident", 2, store::IncidentRow{1, 7, 0, 3, "breach-detected", 2, 8, 9, fields});
  add("record", 3, store::ConfigRecord{RecordKind::policy, 5, 6, fields});
  add("change", 4, store::Change{1, 2, "uid 0", 0, RecordKind::node, 8, {}, fields});
  add("difference", 5, store::FieldDifference{RecordKind::node, 8, "name", "a", {}});
}

void snapshots(Seeds& seeds, WireBus& bus) {
  const auto add = [&](const char* name, std::uint8_t reader,
                       const std::function<void(dbus::Writer&)>& fill) {
    seeds.add("dbus_snapshots", name, bus.body_of(fill), {reader, 0xff});
  };
  const auto status = [](dbus::Writer& out, const char* state) {
    out.open('a', "{sv}");
    property(out, "State", "s", [&] { out.text(state); });
    property(out, "HardwareProtected", "b", [&] { out.boolean(true); });
    property(out, "Incarnation", "u", [&] { out.u32(3); });
    property(out, "Findings", "as", [&] { out.texts({"software sealing"}); });
    property(out, "Counters", "a{st}", [&] { out.counter_map({{"frames_sent", 7}}); });
    if (std::string_view(state) == "active") {
      property(out, "Keyring", "i", [&] { out.i32(-5); });
      property(out, "Probes", "a{ss}", [&] { out.pairs('e', {{"key-access", "tracepoint"}}); });
    }
    out.close();
  };
  add("node-status", 0, [&](dbus::Writer& out) { status(out, "active"); });
  add("nmm-status", 1, [&](dbus::Writer& out) { status(out, "ready"); });
  add("asr", 2, asr_properties);
  add("managed", 3, [](dbus::Writer& out) {
    out.open('a', "{oa{sa{sv}}}").open('e', "oa{sa{sv}}").object_path("/org/akm/asr/9").open('a', "{sa{sv}}");
    out.open('e', "sa{sv}").text("org.akm.Asr1");
    asr_properties(out);
    out.close().open('e', "sa{sv}").text("org.example.Other").open('a', "{sv}").close().close();
    out.close().close().close();
  });
  add("nodes", 4, [](dbus::Writer& out) {
    out.open('a', "(tssusxats)")
        .open('r', "tssusxats")
        .u64(7)
        .text("A")
        .text("active")
        .u32(2)
        .text("e")
        .i64(-1);
    out.u64s({1, 2}).text("v").close().close();
  });
  add("drives", 6, [](dbus::Writer& out) {
    out.open('a', "(sstsass)").open('r', "sstsass").text("/dev/sdb1").text("Stick").u64(9).text("vfat");
    out.texts({"/media/usb"}).text("").close().close();
  });
  add("node-bundles", 0, [&](dbus::Writer& out) {
    out.open('a', "{sv}");
    property(out, "Bundles", dbus::kBundlesType,
             [&] { dbus::put(out, std::vector<node::BundleSnapshot>{{"/dev/sdb1", "a.akmbundle", 4, ""}}); });
    out.close();
  });
  add("event", 5,
      [](dbus::Writer& out) { out.text("breach-detected").u8(3).i64(4).u64(5).text_map({{"k", "v"}}); });
}

void system_texts(Seeds& seeds) {
  seeds.add_text(
      "system_text", "mountinfo",
      "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n24 22 0:6 /a\\040b /var/lib rw - tmpfs none rw\n", {0});
  seeds.add_text("system_text", "maps",
                 "55d0-55d1 r-xp 00000000 08:01 1 /usr/sbin/akmd\n7e0-7e1 rwxp 00000000 00:00 0 \n"
                 "7f0-7f1 r-xp 00000000 00:01 9 /memfd:x (deleted)\n",
                 {1});
  seeds.add_text("system_text", "snmp", "Tcp: RtoMin OutRsts\nTcp: 200 7\nUdp: NoPorts\nUdp: 9\n", {2});
  seeds.add_text("system_text", "lockdown", "none [integrity] confidentiality\na (enforce)\n", {3});
  seeds.add("system_text", "attributes", Bytes{0, 0, 0, 0, 0,   0,   0, 0, 0, 0, 0,  0, 0, 0, 0, 0,
                                               7, 0, 3, 0, 'l', 'o', 0, 0, 8, 0, 30, 0, 1, 0, 0, 0},
            {4});
}

void drives(Seeds& seeds) {
  Bytes head(4096);
  const auto put = [&head](std::size_t at, std::string_view text) {
    std::ranges::copy(text, head.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(1080, "\x53\xef");
  seeds.add("drive", "ext4", head, {0});
  put(1080, std::string_view("\0\0", 2));
  put(82, "FAT32   ");
  put(510, "\x55\xaa");
  seeds.add("drive", "vfat", head, {0});
  seeds.add_text("drive", "mountinfo",
                 "22 1 8:17 / /media/usb rw - vfat /dev/sdb1 rw\n23 1 8:17 / /boot/efi rw\n", {1});
  seeds.add_text("drive", "name", "node-1.akmbundle", {2});
  seeds.add("drive", "tries", service::BundleTries::encode({{{1}, 1}, {{2}, 5}}), {3});
}

}  // namespace

void add_role_seeds(Seeds& seeds) {
  sealed(seeds);
  backups(seeds);
  audit(seeds);
  records(seeds);
  probes(seeds);
  configuration(seeds);
  texts(seeds);
  drives(seeds);
  system_texts(seeds);
  WireBus bus;
  arguments(seeds, bus);
  snapshots(seeds, bus);
  root_rows(seeds, bus);
}

}  // namespace akm::fuzz
