#include "tools/akmctl/remedies.h"

#include <array>

#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

struct Remedy {
  std::string_view part;  // of the sentence
  Health health;
  std::string_view what;  // DAEMON and ROLE stand for the daemon's names
};

constexpr std::string_view kAsItSays =
    "as it says; docs/operators-guide.md and docs/operations.md have the whole case";

// The first that fits holds.
constexpr auto kOfTheMachine = std::to_array<Remedy>({
    {"There should be a TPM, and kek.sealed was made without", Health::problem, kAsItSays},
    {"Keys are sealed in software", Health::warning,
     "where the machine has a TPM, see 'akmctl doctor' for why it is not used; where it has none, a PKCS#11 "
     "token does as well (sealing.mode), or the disk is to be kept from others"},
    {"There is no secure element", Health::problem,
     "see 'akmctl doctor' for the TPM, or set sealing.allow_software in /etc/akm/DAEMON.toml"},
    {"The storage key could not be unsealed", Health::problem,
     "akmctl ROLE pcr show says which PCR differs; akmctl ROLE recover opens it by the recovery secret. "
     "Nothing is deleted meanwhile"},
    {"The TPM reported an error", Health::problem, "see 'akmctl doctor' for the TPM and its lockout"},
    {"The disk is full", Health::problem, "free space in /var/lib/DAEMON; the daemon goes on by itself"},
    {"The file system is read-only", Health::problem,
     "remount it for writing, and look into the kernel's log for why it is so"},
    {"A state file is damaged", Health::problem,
     "docs/operations.md, \"Files of the state\", says of each file what to do"},
    {"No kernel keyring", Health::problem,
     "raise kernel.keys.maxkeys and kernel.keys.maxbytes by sysctl, then systemctl restart DAEMON"},
    {"The kernel key quota is too small", Health::problem,
     "raise kernel.keys.maxkeys and kernel.keys.maxbytes by sysctl, then systemctl restart DAEMON"},
    {"Probes are switched off by the configuration", Health::warning,
     "take probes.enabled = false out of /etc/akm/DAEMON.toml, then systemctl restart DAEMON"},
    {"No probes, nothing is detected locally", Health::problem,
     "'akmctl doctor' says what the kernel lacks; the daemon needs CAP_BPF, CAP_PERFMON and the kernel's "
     "BTF"},
    {"The probes are impaired", Health::problem,
     "akmctl incident list says who did it; systemctl restart DAEMON attaches them anew"},
    {"Detection ", Health::warning,
     "akm-detections(7) says what is not seen on this tier; 'akmctl doctor' why"},
    {"The gate at the network port is switched off", Health::warning,
     "take gate.enabled = false out of /etc/akm/DAEMON.toml, then systemctl restart DAEMON"},
    {"No gate at the network port", Health::warning,
     "it needs CAP_NET_ADMIN and CAP_BPF; without it the daemon itself refuses what is not for it"},
    {"The gate at the network port is not everywhere", Health::warning,
     "an interface takes no program; see ip link, and gate.mode in /etc/akm/DAEMON.toml"},
    {"A busy machine holds up detections", Health::warning,
     "let it have a real-time priority (CAP_SYS_NICE, or LimitRTPRIO= of the unit), or set "
     "scheduling.realtime_priority = 0"},
    {"No data service", Health::warning,
     "see data.folder in /etc/akm/akmd.toml, then systemctl restart akmd"},
});

constexpr auto kOfTheDomain = std::to_array<Remedy>({
    {"The NMM does not answer", Health::problem,
     "look whether akm-nmmd runs on its machine and UDP gets through; 'akmctl doctor' looks at the way "
     "there"},
    {"The NMM is not reached on any chain", Health::problem, kAsItSays},
    {"The provisioning credentials cannot be used", Health::problem, kAsItSays},
    {"The hardware value is not the one", Health::problem, kAsItSays},
    {"Nothing of this node's is as it was", Health::problem, kAsItSays},
    {"The NMM's operator has been asked to take this machine", Health::notice,
     "wait for the NMM's operator (akmctl nmm rehome there)"},
    {"A bundle that was used is still where it was", Health::warning, "destroy it there"},
    {"Not everything could be erased", Health::problem,
     "clear what is named (tpm2_clear, or the token); its keys open nothing any more"},
    {"A maintenance window was opened", Health::notice,
     "nothing; it ends by itself, and akmctl maintenance stop ends it now"},
    {"hold generation ", Health::problem, kAsItSays},
    {"Not reached on any chain", Health::problem, kAsItSays},
    {"There is no record of ", Health::problem, kAsItSays},
    {"Another machine has this NMM's place", Health::problem, kAsItSays},
    {"The Root does not answer", Health::warning,
     "look whether akm-rootd runs and is reached; what there is to report waits and is not lost"},
    {"The credentials for the Root cannot be used", Health::problem, kAsItSays},
    {"The Root has heard of changes that this NMM does not know", Health::problem, kAsItSays},
    {"The Root does not take reports", Health::warning, "see the Root's log for why"},
    {"The database cannot be used", Health::problem,
     "docs/operations.md, \"The Root's database\"; it is found again by itself when it is back"},
    {"has not answered yet that it is fenced off", Health::warning, "switch that machine off"},
    {"has not handed up its root secret", Health::warning,
     "let the NMM reach the Root: until then nothing can take its place"},
    {"The audit log is not as it was left", Health::problem,
     "keep a copy of the state folder, then akmctl audit verify says what was changed"},
    {"The audit log cannot be written", Health::problem,
     "free space in the state folder, or make it writable; it is tried again by itself"},
    {"perhaps an older copy", Health::warning,
     "nothing if this state was restored by you; else somebody has started a copy of it"},
});

std::vector<Remedy> all() {
  std::vector<Remedy> out(kOfTheMachine.begin(), kOfTheMachine.end());
  out.insert(out.end(), kOfTheDomain.begin(), kOfTheDomain.end());
  return out;
}

std::string filled(std::string_view text, dbus::Service service) {
  std::string out(text);
  const auto put = [&out](std::string_view word, const std::string& value) {
    for (std::size_t at = out.find(word); at != std::string::npos; at = out.find(word, at + value.size()))
      out.replace(at, word.size(), value);
  };
  put("DAEMON", program_of(service));
  put("ROLE", short_name(service));
  return out;
}

}  // namespace

Check check_of_finding(dbus::Service service, const std::string& finding) {
  for (const Remedy& one : all()) {
    if (finding.contains(one.part))
      return {short_name(service), "", one.health, finding, filled(one.what, service)};
  }
  return {
      short_name(service), "", Health::warning, finding,
      filled("journalctl -u DAEMON tells what came before it, docs/operations.md what it means", service)};
}

std::vector<std::string_view> foreseen() {
  std::vector<std::string_view> out;
  out.reserve(all().size());
  for (const Remedy& one : all()) out.push_back(one.part);
  return out;
}

}  // namespace akm::ctl
