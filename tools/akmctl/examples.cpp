#include "tools/akmctl/examples.h"

#include <CLI/CLI.hpp>
#include <array>
#include <span>

#include "tools/akmctl/command_tree.h"

namespace akm::ctl {
namespace {

struct Example {
  std::string_view command;    // "node provision"
  std::string_view arguments;  // behind it
};

constexpr auto kOfMachines = std::to_array<Example>({
    {"status", ""},
    {"status", "--host root@north.example.org"},
    {"doctor", ""},
    {"doctor", "--quiet --json"},
    {"support-bundle", ""},
    {"support-bundle", "--out /media/usb/north.tar.gz"},
    {"node status", ""},
    {"node identity", ""},
    {"node identity", "--out /media/usb/a.identity"},
    {"node provision", "/media/usb/a.akmbundle"},
    {"node provision", "--from pkcs11:token=carrier"},
    {"node provision", "--wait"},
    {"node activate", ""},
    {"node rehome", ""},
    {"node generalize", "--yes"},
    {"node zeroize", "--yes"},
    {"nmm status", ""},
    {"nmm init", ""},
    {"nmm bundle", "a --to /dev/sdb1"},
    {"nmm bundle", "a --for a.identity --endpoint 192.0.2.1:7400 --to /media/usb"},
    {"nmm bundle", "a --to-token pkcs11:token=carrier"},
    {"nmm drives", ""},
    {"nmm provision", "a --bus-address ssh:root@a.example.org"},
    {"nmm node", "a"},
    {"nmm nodes", ""},
    {"nmm reprovision", "a"},
    {"nmm rehome", "a"},
    {"nmm retire", "a"},
    {"nmm retire", "a --forget --yes"},
    {"nmm accept-hardware", "--yes"},
    {"nmm backup", "/media/usb/north.akmbackup"},
    {"nmm restore-test", "/media/usb/north.akmbackup"},
    {"nmm restore", "/media/usb/north.akmbackup"},
    {"nmm attest", "a"},
    {"nmm attest", "a --accept"},
    {"nmm identity", ""},
    {"nmm join", "/media/usb/north.akmbundle"},
    {"nmm join", "pkcs11:token=carrier"},
});

constexpr auto kOfRoot = std::to_array<Example>({
    {"root status", ""},
    {"root init", ""},
    {"root nmms", ""},
    {"root nmm prepare", "north --for north.identity --to /media/usb"},
    {"root nmm provision", "north --direct ssh:root@north.example.org"},
    {"root nmm replace", "north --for spare.identity --to /media/usb"},
    {"root get", "domain"},
    {"root get", "policy 0000000000000001"},
    {"root set", "policy 0000000000000001 -f rekey_interval_s=600"},
    {"root remove", "policy 0000000000000001"},
    {"root history", "--after 40"},
    {"root history prune", "--keep 10000"},
    {"root diff", "40 52"},
    {"root rollback", "40"},
    {"root nodes", "--nmm north"},
    {"root asrs", "--nmm north"},
    {"root incidents", "--after 12"},
});

constexpr auto kOthers = std::to_array<Example>({
    {"asr list", ""},
    {"asr list", "--from node"},
    {"asr show", "asr-1"},
    {"asr rekey", "asr-1"},
    {"asr create", "asr-1 a b c"},
    {"asr create", "asr-1 a b --policy rekey_interval_s=600"},
    {"asr set", "asr-1 rekey_interval_s=600"},
    {"asr add", "asr-1 d"},
    {"asr remove", "asr-1 d"},
    {"asr confirm", "asr-1"},
    {"asr delete", "asr-1"},
    {"asr export-key", "asr-1 ipsec --type logon --keyring @u"},
    {"asr release-key", "asr-1 123456789"},
    {"quarantine", "a"},
    {"readmit", "a"},
    {"audit verify", ""},
    {"audit verify", "/media/usb/audit"},
    {"audit show", "--count 20"},
    {"audit export", "--after 1000"},
    {"incident list", ""},
    {"incident show", "5f0c9a7e31d2b846"},
    {"incident export", "5f0c9a7e31d2b846"},
    {"monitor", ""},
    {"monitor", "--lines"},
    {"monitor", "--json --count 10"},
    {"metrics", ""},
    {"metrics", "--textfile /var/lib/prometheus/node-exporter/akm.prom"},
    {"policy check", "/etc/akm/policy.toml"},
    {"policy example", ""},
    {"policy explain", "key-access"},
    {"policy explain", "D1 --file new.toml"},
    {"policy simulate", "incident.jsonl --file new.toml --members 5"},
    {"policy show", "--domain"},
    {"policy set", "new.toml --asr asr-1"},
    {"policy clear", "--asr asr-1"},
    {"maintenance start", "--for 30m --why 'new firmware'"},
    {"maintenance start", "--for 2h --why 'new rack' --node a"},
    {"maintenance stop", "--node a"},
    {"maintenance show", ""},
});

/// Below node, nmm and root alike: sealing has the same commands for each.
constexpr auto kSealing = std::to_array<Example>({
    {"pcr show", ""},
    {"pcr predict", "--set 4=3f8a0c5d9e1b2746a0c4e8f3125b7d690f1e2d3c4b5a69788796a5b4c3d2e1f0 --out sign.me"},
    {"pcr authorize",
     "--set 4=3f8a0c5d9e1b2746a0c4e8f3125b7d690f1e2d3c4b5a69788796a5b4c3d2e1f0 --signature signed"},
    {"reseal", "--recovery-file /root/recovery"},
    {"recover", ""},
});

constexpr std::array<std::string_view, 3> kSealed{"node ", "nmm ", "root "};

}  // namespace

std::vector<std::string> examples_of(std::string_view command) {
  std::vector<std::string> out;
  const auto take = [&](std::span<const Example> from, std::string_view name) {
    for (const Example& one : from) {
      if (one.command != name) continue;
      out.push_back("akmctl " + std::string(command) + (one.arguments.empty() ? "" : " ") +
                    std::string(one.arguments));
    }
  };
  for (const std::span<const Example> table : {std::span<const Example>(kOfMachines), {kOfRoot}, {kOthers}})
    take(table, command);
  for (const std::string_view service : kSealed) {
    if (command.starts_with(service)) take(kSealing, command.substr(service.size()));
  }
  return out;
}

void add_examples(CLI::App& app) {
  each_command(app, [](const std::string& words, CLI::App& command) {
    std::string text = "Examples:\n";
    for (const std::string& line : examples_of(words)) text += "  " + line + "\n";
    command.footer(text + "\n" + command.get_footer());
  });
}

}  // namespace akm::ctl
