#include "tools/akmctl/support_bundle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <ranges>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "tools/akmctl/hidden_values.h"
#include "tools/akmctl/installed.h"
#include "tools/akmctl/names.h"

namespace akm::ctl {
namespace {

constexpr int kPatienceS = 60;
constexpr std::size_t kArchiveBytes = std::size_t{64} << 20;
constexpr const char* kFolder = "akm-support";

struct Source {
  std::string_view file;
  std::string_view command;  // words
};

constexpr auto kOfAkmctl = std::to_array<Source>({
    {"status.json", "--json status"},
    {"node.json", "--json node status"},
    {"nmm.json", "--json nmm status"},
    {"nodes.json", "--json nmm nodes"},
    {"asrs-of-node.json", "--json asr list --from node"},
    {"asrs-of-nmm.json", "--json asr list --from nmm"},
    {"root.json", "--json root status"},
    {"nmms.json", "--json root nmms"},
    {"incidents.jsonl", "--json incident list"},
    {"policy.json", "--json policy show"},
    {"maintenance.json", "--json maintenance show"},
    {"metrics.txt", "metrics"},
});

// Not "show" as a whole: the environment and set credentials of a unit may be secret.
constexpr auto kOfSystem = std::to_array<Source>({
    {"units.txt",
     "systemctl show --no-pager --property=Id,LoadState,UnitFileState,ActiveState,SubState,Result,"
     "ExecMainStatus,NRestarts,ActiveEnterTimestamp,StatusText,MemoryCurrent,TasksCurrent "
     "akmd.service akm-nmmd.service akm-rootd.service"},
    {"journal.txt",
     "journalctl --quiet --no-pager --no-hostname --output=short-iso --lines=2000 --unit=akmd.service "
     "--unit=akm-nmmd.service --unit=akm-rootd.service"},
});

/// Names of settings, in words: each has a value that nobody has to hide.
constexpr std::string_view kShown =
    "activation.automatic audit.file_kib audit.files audit.seal_s bus.address bus.group bus.polkit "
    "data.clients data.folder data.groups data.reader_queue_kib data.types data.users database.kind "
    "database.path database.statement_timeout_ms direct.confirm direct.hosts direct.tcp drives.also "
    "drives.watch events.history gate.enabled gate.ids_max gate.mode gate.source_per_s "
    "gate.total_per_s hardware.interface hardware.on_another_machine hardware.on_missing_source "
    "hardware.sources hardware.sysfs_root keyring.name log.file log.journal_socket log.level "
    "log.target network.advertise network.io_backend network.listen nmm.bind_at_activation "
    "nmm.bundle_expiry_s nmm.ek_certificate nmm.ek_certificate_times nmm.golden_pcrs "
    "nmm.missed_heartbeats nmm.name nmm.tpm_roots policy.attestation policy.control_deadline_s "
    "policy.fbset_ms policy.file policy.fsset_ms policy.grace_ms policy.heartbeat_interval_s "
    "policy.install_deadline_s policy.multicast_group policy.nnrt_ms policy.nset_ms policy.quorum "
    "policy.rekey_after_frames policy.rekey_interval_s policy.renew_interval_s "
    "policy.resync_min_interval_s policy.rotate_provisioning_after_install policy.topology "
    "probes.check_interval_s probes.config_folder probes.enabled probes.our_programs "
    "probes.pin_folder recovery.domain_evictions_per_window recovery.evictions_per_window "
    "recovery.mode recovery.never_evict recovery.on_critical recovery.on_evidence "
    "recovery.quorum_floor recovery.rekeys_per_window recovery.undo recovery.window_s "
    "root.bundle_expiry_s root.ek_certificate root.ek_certificate_times root.name root.tpm_roots "
    "scheduling.realtime_priority sealing.allow_software sealing.mode sealing.nv_index sealing.pcrs "
    "sealing.tcti state.folder watch.clock_jump_ms watch.enabled watch.hardware_interval_s "
    "watch.interval_s watch.library_folders watch.off watch.scan_rate watch.tamper_inputs "
    "watch.tpm_interval_s";

constexpr std::string_view kKernelOptions =
    "CONFIG_AUDIT CONFIG_BPF CONFIG_BPF_JIT CONFIG_BPF_LSM CONFIG_BPF_SYSCALL CONFIG_DEBUG_INFO_BTF "
    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS CONFIG_FANOTIFY CONFIG_FTRACE_SYSCALLS "
    "CONFIG_FUNCTION_TRACER CONFIG_IA32_EMULATION CONFIG_IO_URING CONFIG_KEYS CONFIG_LSM CONFIG_SECRETMEM "
    "CONFIG_SECURITY_LOCKDOWN_LSM CONFIG_TCG_CRB CONFIG_TCG_TIS CONFIG_TCG_TPM";

constexpr const char* kWhatItIs =
    "Made by akmctl support-bundle " AKM_VERSION
    ".\n\n"
    "In it: names and addresses of nodes, relationships and NMMs, their state and incidents (with the\n"
    "programs and users that were seen), the report of akmctl doctor, settings, versions, states and the "
    "last\n"
    "2000 lines of the journal of AKM's units, options of the kernel, metrics. The sensor's tiers (probes) "
    "are\n"
    "in node.json and nmm.json.\n\n"
    "Left out: keys, credentials, bundles and all else of the state folders; PINs, tokens' URIs and every\n"
    "setting that is not known to be harmless (named in the files of settings, without their values; a "
    "value\n"
    "that a message repeats is left out there too);\n"
    "environment and credentials of units; the machine's own name, arguments and environment of processes.\n";

std::vector<std::string> words_of(std::string_view command) {
  std::istringstream in{std::string(command)};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::set<std::string, std::less<>> set_of(std::string_view words) {
  const std::vector<std::string> all = words_of(words);
  return {all.begin(), all.end()};
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// What a program says goes into a file; where it says nothing useful, why not.
void run_into(const Machine& machine, SupportBundle& bundle, std::string_view file,
              const std::vector<std::string>& command) {
  const auto ran = machine.run(command, kPatienceS);
  const std::string name(file);
  if (!ran) return bundle.absent.push_back(name + ": " + ran.error().message());
  const bool cut = ran->output.size() >= Machine::kOutputBytes;  // it ends by a signal then
  const bool told = cut || ran->exit_code == 0 || ran->exit_code == 7 || ran->exit_code == 8;  // status's own
  if (!told) {
    return bundle.absent.push_back(fmt::format("{}: exit {}: {}", name, ran->exit_code, ran->complaint()));
  }
  if (cut) bundle.absent.push_back(name + ": the rest, it was too long");
  bundle.files.push_back(text_file(name, ran->output));
}

void add_hidden(const service::Values& values, HiddenValues& hidden) {
  const auto harmless = set_of(kShown);
  for (const auto& [name, value] : values) {
    if (harmless.contains(name)) continue;
    if (const auto* text = std::get_if<std::string>(&value)) hidden.add(*text);
    if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& one : *texts | std::views::drop(1)) hidden.add(one);  // a program's arguments
    }
  }
}

void add_settings(const Machine& machine, SupportBundle& bundle, HiddenValues& hidden) {
  for (const dbus::Service service : kServices) {
    if (!machine.exists(config_path(service))) continue;
    const std::string name = std::string(program_of(service)) + ".toml";
    const auto values = settings_of(machine, service);
    if (values) {
      bundle.files.push_back(text_file(name, shown_settings(*values)));
      add_hidden(*values, hidden);
    } else {  // not the sentence: it may repeat what it could not read
      bundle.absent.push_back(name + ": cannot be read, see akmctl doctor");
    }
  }
}

void leave_out(const HiddenValues& hidden, SupportBundle& bundle) {
  for (NamedFile& file : bundle.files) {
    std::string text(file.bytes.begin(), file.bytes.end());
    hidden.leave_out(text);
    file.bytes.assign(text.begin(), text.end());
  }
  for (std::string& why : bundle.absent) hidden.leave_out(why);
}

std::string versions(const Machine& machine) {
  std::string out = "akmctl " AKM_VERSION "\n";
  const auto add = [&](const std::vector<std::string>& command) {
    if (const auto ran = machine.run(command, kPatienceS); ran && ran->exit_code == 0)
      out += first_line(ran->output) + "\n";
  };
  for (const dbus::Service service : kServices) {
    if (const std::string program = program_path(machine, service); !program.empty())
      add({program, "--version"});
  }
  add({"systemctl", "--version"});
  out += "Linux " + machine.read("/proc/sys/kernel/osrelease").value_or("of unknown version") + "\n";
  return out + machine.read("/etc/os-release").value_or("") + "\n";
}

void add_kernel_options(const Machine& machine, SupportBundle& bundle) {
  const std::string release = machine.read("/proc/sys/kernel/osrelease").value_or("");
  auto text = machine.read("/boot/config-" + release);
  if (!text) {
    auto packed = machine.run({"gzip", "-dc", machine.path("/proc/config.gz")}, kPatienceS);
    if (!packed || packed->exit_code != 0)
      return bundle.absent.push_back("kernel-options.txt: no /boot/config-" + release +
                                     ", no /proc/config.gz");
    text = std::move(packed->output);
  }
  const auto wanted = set_of(kKernelOptions);
  std::istringstream in(*text);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (wanted.contains(line.substr(0, line.find('=')))) out += line + "\n";
  }
  bundle.files.push_back(text_file("kernel-options.txt", out));
}

/// A folder of its own, gone with it.
class Workshop {
 public:
  static Result<Workshop> make() {
    std::error_code error;
    std::string path = std::filesystem::temp_directory_path(error).string() + "/akm-support-XXXXXX";
    if (error || mkdtemp(path.data()) == nullptr) return fail_errno(Errc::storage_failed, path);
    return Workshop(std::move(path));
  }
  Workshop(Workshop&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Workshop& operator=(Workshop&&) = delete;
  ~Workshop() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit Workshop(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace

NamedFile text_file(std::string name, const std::string& text) {
  return {std::move(name), {text.begin(), text.end()}};
}

std::string shown_settings(const service::Values& values) {
  const auto harmless = set_of(kShown);
  service::Values shown;
  std::string left_out;
  for (const auto& [name, value] : values) {
    if (harmless.contains(name)) {
      shown.emplace(name, value);
    } else {
      // A name that is no name may be a value in the wrong place.
      const bool plain = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.") == std::string::npos;
      left_out += "# " + (plain ? name : "one of another form") + ": left out\n";
    }
  }
  return "# Set here, drop-ins included; all else is at its default. [[tables]] are left out.\n" +
         service::text_of(shown, {}) + left_out;
}

void collect(const Machine& machine, const std::vector<std::string>& akmctl, SupportBundle& bundle) {
  for (const Source& one : kOfAkmctl) {
    std::vector<std::string> command = akmctl;
    std::ranges::move(words_of(one.command), std::back_inserter(command));
    run_into(machine, bundle, one.file, command);
  }
  for (const Source& one : kOfSystem) run_into(machine, bundle, one.file, words_of(one.command));
  HiddenValues hidden;
  add_settings(machine, bundle, hidden);
  bundle.files.push_back(text_file("versions.txt", versions(machine)));
  add_kernel_options(machine, bundle);
  leave_out(hidden, bundle);
  std::string readme = kWhatItIs;
  if (!bundle.absent.empty()) readme += "\nNot there:\n";
  for (const std::string& one : bundle.absent) readme += "  " + one + "\n";
  bundle.files.push_back(text_file("README.txt", readme));
}

Status write_archive(const Machine& machine, const SupportBundle& bundle, const std::string& path) {
  if (std::filesystem::exists(path)) return fail(Errc::already_exists, path);
  AKM_ASSIGN(const Workshop workshop, Workshop::make());
  const std::string folder = workshop.path() + "/" + kFolder;
  const std::string packed = workshop.path() + "/packed";
  AKM_TRY(make_folder(folder));
  AKM_TRY(write_files_atomically(folder, bundle.files, 0600));
  AKM_ASSIGN(const Machine::Ran ran, machine.run({"tar", "--create", "--gzip", "--file=" + packed,
                                                  "--force-local", "--directory=" + workshop.path(),
                                                  "--owner=0", "--group=0", "--numeric-owner", kFolder},
                                                 kPatienceS));
  if (ran.exit_code != 0) return fail(Errc::storage_failed, "tar: " + ran.complaint());
  AKM_ASSIGN(const auto bytes, read_file(packed, kArchiveBytes));
  return create_file_atomically(path, bytes, 0600);
}

}  // namespace akm::ctl
