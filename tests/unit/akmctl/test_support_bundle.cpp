#include "tools/akmctl/support_bundle.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "tests/unit/akmctl/machine_root.h"

using namespace akm;
using namespace akm::ctl;
using namespace akm::test;

namespace {

std::string text_of(const SupportBundle& bundle, const std::string& name) {
  for (const NamedFile& one : bundle.files) {
    if (one.name == name) return {one.bytes.begin(), one.bytes.end()};
  }
  return "no such file";
}

constexpr const char* kSecretive = R"([sealing]
mode = "token"
token = "pkcs11:token=a;pin-value=hunter2"
pin_file = "/run/hunter2"
[database]
conninfo = "host=db password=hunter2"
[direct]
exec = ["/bin/hunter2"]
[network]
listen = "0.0.0.0:7400"
[odd]
"hunter2 9" = 1
pin = 7777
[[consumers]]
name = "hunter2"
)";

}  // namespace

Test(support_bundle, settings_are_shown_by_name) {
  const MachineRoot root;
  root.write("/etc/akm/akm-rootd.toml", kSecretive);
  SupportBundle bundle;
  collect(root.machine, {"akmctl"}, bundle);
  const std::string text = text_of(bundle, "akm-rootd.toml");
  cr_assert(text.contains("network.listen = \"0.0.0.0:7400\"\nsealing.mode = \"token\"\n"), "%s",
            text.c_str());
  cr_assert(text.contains("# database.conninfo: left out\n"), "%s", text.c_str());
  cr_assert(text.contains("# sealing.token: left out\n"), "%s", text.c_str());
  for (const NamedFile& one : bundle.files) {
    const std::string all(one.bytes.begin(), one.bytes.end());
    cr_expect(!all.contains("hunter2") && !all.contains("7777"), "%s: %s", one.name.c_str(), all.c_str());
  }
}

Test(support_bundle, a_value_that_a_message_repeats_is_left_out_there_too) {
  MachineRoot root;
  root.write("/etc/akm/akm-rootd.toml", kSecretive);
  root.answers = {
      {"journalctl", {0, "connection to host=db password=hunter2 failed\nhunter2\nlisten 0.0.0.0:7400\n"}},
      {"metrics", {3, "", "no such token: pkcs11:token=a;pin-value=hunter2\n"}},
      {"nmm nodes", {0, "{}\n", "password hunter2 was said beside it\n"}}};
  SupportBundle bundle;
  collect(root.machine, {"akmctl"}, bundle);
  cr_assert_eq(text_of(bundle, "journal.txt"),
               "connection to (left out) failed\n(left out)\nlisten 0.0.0.0:7400\n", "%s",
               text_of(bundle, "journal.txt").c_str());
  cr_assert_eq(text_of(bundle, "nodes.json"), "{}\n");
  cr_assert(text_of(bundle, "README.txt").contains("metrics.txt: exit 3: no such token: (left out)\n"));
}

Test(support_bundle, a_file_of_settings_that_cannot_be_read_is_not_repeated) {
  const MachineRoot root;
  root.write("/etc/akm/akmd.toml", "[sealing]\npin = hunter2\n");
  SupportBundle bundle;
  collect(root.machine, {"akmctl"}, bundle);
  cr_assert_eq(text_of(bundle, "akmd.toml"), "no such file");
  cr_assert(text_of(bundle, "README.txt").contains("akmd.toml: cannot be read"));
  cr_assert_not(text_of(bundle, "README.txt").contains("hunter2"));
}

Test(support_bundle, what_each_program_says_and_what_is_absent) {
  MachineRoot root;
  root.write("/usr/sbin/akmd", "");
  root.write("/proc/sys/kernel/osrelease", "6.1.0\n");
  root.write("/boot/config-6.1.0", "CONFIG_KEYS=y\nCONFIG_SECRET_OF_MINE=\"x\"\nCONFIG_LSM=\"bpf\"\n");
  root.answers = {{"akmctl --bus x --json status", {8, "{\"health\":\"problem\"}\n"}},
                  {"metrics", {3, "akmctl: nobody is there.\nmore\n"}},
                  {"journalctl", {0, std::string(Machine::kOutputBytes, 'j')}},
                  {"akmd --version", {0, "akmd 0.1.0\n"}}};
  SupportBundle bundle;
  collect(root.machine, {"akmctl", "--bus", "x"}, bundle);
  cr_assert_eq(text_of(bundle, "status.json"), "{\"health\":\"problem\"}\n");
  cr_assert_eq(text_of(bundle, "kernel-options.txt"), "CONFIG_KEYS=y\nCONFIG_LSM=\"bpf\"\n");
  cr_assert(text_of(bundle, "versions.txt").contains("akmd 0.1.0\n"));
  const std::string readme = text_of(bundle, "README.txt");
  cr_assert(readme.contains("  metrics.txt: exit 3: akmctl: nobody is there.\n"), "%s", readme.c_str());
  cr_assert(readme.contains("journal.txt: the rest"), "%s", readme.c_str());
  cr_assert(readme.contains("Left out: keys"), "%s", readme.c_str());
  // Neither the environment nor the credentials of a unit are asked for.
  for (const std::string& command : root.ran) {
    cr_expect(!command.contains("systemctl show") || command.contains("--property=Id,"));
    cr_expect(!command.contains("Environment") && !command.contains("Credential") &&
              !command.contains("Exec="));
  }
}

Test(support_bundle, an_archive_is_made_once_and_for_its_owner) {
  const TemporaryFolder folder;
  const std::string path = folder.file("a:b.tar.gz");
  const SupportBundle bundle{{text_file("one.txt", "1\n"), text_file("two.txt", "2\n")}, {}};
  const Machine machine;
  cr_assert(write_archive(machine, bundle, path).has_value());
  struct stat info{};
  cr_assert_eq(stat(path.c_str(), &info), 0);
  cr_assert_eq(info.st_mode & 07777U, 0600);
  cr_assert_eq(machine.run({"tar", "-xzOf", path, "--force-local", "akm-support/two.txt"}, 10)->output,
               "2\n");
  cr_assert_eq(write_archive(machine, bundle, path).error().code, Errc::already_exists);
  cr_assert_eq(symlink("/nonexistent/x", folder.file("link").c_str()), 0);
  cr_assert_not(write_archive(machine, bundle, folder.file("link")).has_value(), "not through a link");
}

Test(support_bundle, without_tar) {
  const TemporaryFolder folder;
  MachineRoot root;
  cr_assert_eq(write_archive(root.machine, {}, folder.file("a")).error().code, Errc::not_found);
  root.answers["tar"] = {2, "tar: disk full\n"};
  cr_assert(write_archive(root.machine, {}, folder.file("a")).error().detail.contains("disk full"));
  cr_assert_not(std::filesystem::exists(folder.file("a")));
}
