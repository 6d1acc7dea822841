// Seeds of what Root and NMM say to each other.
#include <array>

#include "daemon/protocol/configure_body.h"
#include "daemon/protocol/root_body.h"
#include "tests/fuzz/seeds.h"

using namespace akm;
using namespace akm::protocol;

namespace akm::fuzz {

void add_root_seeds(Seeds& seeds) {
  ReportedNode node;
  node.change = 4;
  node.id = 7;
  node.provisioning_asr = 8;
  node.name = "pump-1";
  node.peer = "192.0.2.1:7400";
  node.state = 1;
  node.newest = {.serial = 2, .root = 2, .hardware_value = {1}};
  node.prior = Derivation{.serial = 1, .root = 1, .hardware_value = {1}};
  node.activated = 1;
  node.binding = true;
  node.version = "0.1.0";
  node.endpoints = {"192.0.2.1:7400"};
  node.evicted = {9};
  node.attestation_key = {1, 2, 3};
  node.pcr_digest = Digest32{5};
  node.golden = true;
  node.zeroize = true;
  ReportedAsr asr;
  asr.change = 5;
  asr.id = 9;
  asr.label = "ring";
  asr.generation = 3;
  asr.roster = {{0, 7}, {1, 11}};
  ReportRequest report;
  report.last = 9;
  report.upto = 6;
  report.lost = 1;
  report.roots = {1, 2};
  report.nodes = {node};
  report.asrs = {asr};
  report.gone = {{6, 10}};
  report.incidents = {{.change = 6, .name = "node-silent", .severity = 4, .facts = {{"node", "pump-1"}}}};
  seeds.add("root_body", "report", report.encode(), {0});
  seeds.add("root_body", "alive", ReportRequest{}.encode(), {0});
  seeds.add("root_body", "acked", ReportResponse{9}.encode(), {1});
  seeds.add("root_body", "records", RecordsRequest{RecordsKind::asrs, 7}.encode(), {2});
  RecordsResponse page;
  page.nodes = {node};
  page.asrs = {asr};
  page.more = true;
  seeds.add("root_body", "page", page.encode(), {3});
  seeds.add("root_body", "node", node.encode(), {4});
  seeds.add("root_body", "asr", asr.encode(), {5});
  seeds.add("root_body", "fence", FenceRequest{2}.encode(), {6});
  IssueRequest issue;
  issue.nmm_id = 5;
  issue.restore = true;
  issue.secrets.resize(2);
  issue.secrets[0].number = 1;
  issue.secrets[1].number = 2;
  issue.reported = 9;
  issue.incarnation = 1U << 20;
  seeds.add("root_body", "issue", issue.encode().reveal(), {7});
  AdoptRequest adopt;
  adopt.nmm_id = 5;
  adopt.secrets.resize(1);
  adopt.secrets[0].number = 1;
  seeds.add("root_body", "adopt", adopt.encode().reveal(), {8});
  ConfigureRequest records;
  records.more = true;
  records.nodes = {{7, "pump-1", {"192.0.2.1:7400"}}};
  records.policies = {{9, {{"rekey_interval_s", "600"}}}};
  seeds.add("root_body", "configure", records.encode(), {9});
  const std::string_view record = R"({"name":"north","note":"\u00e9 \"1\"","serial":"3"})";
  seeds.add_text("fields_text", "record", record, {});
  seeds.add_text("fields_text", "empty", "{}", {});
  seeds.add_text("fields_text", "nested", R"({"a":{"b":[1,null,true,1e9]}})", {});
}

}  // namespace akm::fuzz
