#include "dbus/access_table.h"

#include <array>

namespace akm::dbus {
namespace {

constexpr std::string_view kNode = "org.akm.Node1";
constexpr std::string_view kNmm = "org.akm.Nmm1";
constexpr std::string_view kSealing = "org.akm.Sealing1";
constexpr std::string_view kAudit = "org.akm.Audit1";
constexpr std::string_view kAsr = "org.akm.Asr1";
constexpr std::string_view kPolicy = "org.akm.Policy1";
constexpr std::string_view kRoot = "org.akm.Root1";

// Actions are those of packaging/polkit-1: one for each (service, access), so that an administrator grants by
// what a person may do and not by method names.
constexpr std::array kRules{
    AccessRule{kNode, "GetHardwareIdentity", "org.akm.node.read", Access::read},
    AccessRule{kNode, "ProvisionFromFile", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "ProvisionFromMemfd", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "ProvisionFromToken", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "GetTpmIdentity", "org.akm.node.read", Access::read},
    AccessRule{kNode, "ProvisionFromTpm", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "OfferHandover", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "ProvisionSealed", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "Activate", "org.akm.node.change", Access::change},
    AccessRule{kNode, "Zeroize", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "Rehome", "org.akm.node.admin", Access::admin},
    AccessRule{kNode, "Generalize", "org.akm.node.admin", Access::admin},
    AccessRule{kNmm, "CreateRootSecret", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "PrepareBundle", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ListDrives", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "PrepareToken", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "PrepareForTpm", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "SetGoldenPcrs", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ProvisionDirect", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ListNodes", "org.akm.nmm.read", Access::read},
    AccessRule{kNmm, "CreateAsr", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "AddMember", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "RemoveMember", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "Rekey", "org.akm.nmm.change", Access::change},
    AccessRule{kNmm, "SetPolicy", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "DeleteAsr", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "Quarantine", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "Attest", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "GetHardwareIdentity", "org.akm.nmm.read", Access::read},
    AccessRule{kNmm, "ProvisionFromFile", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ProvisionFromMemfd", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ProvisionFromToken", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "GetTpmIdentity", "org.akm.nmm.read", Access::read},
    AccessRule{kNmm, "ProvisionFromTpm", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "OfferHandover", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ProvisionSealed", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "Readmit", "org.akm.nmm.admin", Access::admin},
    AccessRule{kRoot, "CreateRootSecret", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ListNmms", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "PrepareNmm", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ProvisionNmm", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ReplaceNmm", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ReplaceNmmDirect", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "PrepareNmmOnToken", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "PrepareNmmForTpm", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "BeginDirect", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ConfirmDirect", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "PruneHistory", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ListReports", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "ListIncidents", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "ListRecords", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "GetRecord", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "SetRecord", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "RemoveRecord", "org.akm.root.admin", Access::admin},
    AccessRule{kRoot, "ListHistory", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "Diff", "org.akm.root.read", Access::read},
    AccessRule{kRoot, "Rollback", "org.akm.root.admin", Access::admin},
    AccessRule{kSealing, "GetPcrs", "org.akm.sealing.read", Access::read},
    AccessRule{kSealing, "PredictPcrs", "org.akm.sealing.read", Access::read},
    AccessRule{kSealing, "AuthorizePcrs", "org.akm.sealing.admin", Access::admin},
    AccessRule{kSealing, "Reseal", "org.akm.sealing.admin", Access::admin},
    AccessRule{kSealing, "Recover", "org.akm.sealing.admin", Access::admin},
    AccessRule{kAudit, "Verify", "org.akm.audit.read", Access::read},
    AccessRule{kAudit, "ListRecords", "org.akm.audit.read", Access::read},
    AccessRule{kAudit, "ListIncidents", "org.akm.audit.read", Access::read},
    AccessRule{kAudit, "CheckSeals", "org.akm.audit.read", Access::read},
    AccessRule{kPolicy, "GetPolicy", "org.akm.policy.read", Access::read},
    AccessRule{kPolicy, "SetPolicy", "org.akm.policy.admin", Access::admin},
    AccessRule{kPolicy, "ListMaintenance", "org.akm.policy.read", Access::read},
    AccessRule{kPolicy, "StartMaintenance", "org.akm.policy.admin", Access::admin},
    AccessRule{kPolicy, "StopMaintenance", "org.akm.policy.admin", Access::admin},
    AccessRule{kNmm, "BeginDirect", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ConfirmDirect", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "DescribeNode", "org.akm.nmm.read", Access::read},
    AccessRule{kNmm, "Reprovision", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "Rehome", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "Retire", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "AcceptHardware", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "MakeBackup", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "MakeBackupUnder", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "TestBackup", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "RestoreBackup", "org.akm.nmm.admin", Access::admin},
    AccessRule{kNmm, "ConfirmAsr", "org.akm.nmm.admin", Access::admin},
    AccessRule{kAsr, "Rekey", "org.akm.asr.change", Access::change},
    AccessRule{kAsr, "ExportKey", "", Access::caller},
    AccessRule{kAsr, "ReleaseKey", "", Access::caller},
};

}  // namespace

std::span<const AccessRule> access_table() {
  return kRules;
}

const AccessRule* find_access_rule(std::string_view interface, std::string_view member) {
  for (const AccessRule& rule : kRules) {
    if (rule.interface == interface && rule.member == member) return &rule;
  }
  return nullptr;
}

}  // namespace akm::dbus
