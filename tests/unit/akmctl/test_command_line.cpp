#include <criterion/criterion.h>
#include <sys/syscall.h>

#include "dbus/sealed_memfd.h"
#include "tests/unit/akmctl/akmctl_fixture.h"

using namespace akm;
using namespace akm::test;
using With = World::With;

namespace {

void expect_has(const std::string& text, const char* part) {
  cr_expect(text.contains(part), "'%s' is not in:\n%s", part, text.c_str());
}

UniqueFd sealed(std::string_view text) {
  return std::move(
      *dbus::make_sealed_memfd("test", {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

}  // namespace

Test(akmctl_node, status) {
  World world(With::node);
  world.node.snapshot.findings = {"A probe is missing"};
  const Outcome text = world.run({"node", "status"});
  cr_assert_eq(text.exit_code, 0, "%s", text.err.c_str());
  expect_has(text.out, "State:         active\n");
  expect_has(text.out, "keyctl show 123456");
  expect_has(text.out, "key-access  tracepoint, healthy");
  expect_has(text.out, "  - A probe is missing");
  const Outcome json = world.run({"--json", "node", "status"});
  cr_assert_eq(json.json()["state"], "active");
  cr_assert_eq(json.json()["node_id"], "00000000000000a1");
  cr_assert_eq(json.json()["counters"]["frames_received"], 12);
  cr_assert_eq(json.json()["hardware_protected"], true);
  // Global options may stand behind the command.
  cr_assert_eq(world.run({"node", "status", "--json"}).json()["incarnation"], 5);
  world.node.snapshot.hardware_protected = false;
  expect_has(world.run({"node", "status"}).out, "NOT PROTECTED BY HARDWARE");
}

Test(akmctl_node, identity_and_activate) {
  NEED_ROOT();
  World world(With::node);
  const Outcome identity = world.run({"--json", "node", "identity"});
  cr_assert_eq(identity.json()["value"].get<std::string>().size(), 64);
  cr_assert_eq(identity.json()["sources"]["dmi"], "def");
  cr_assert_eq(world.run({"node", "activate"}).exit_code, 0);
  world.node.deferred.result = fail(Errc::timed_out, "the NMM");
  const Outcome late = world.run({"node", "activate"});
  cr_assert_eq(late.exit_code, 5);
  cr_assert_str_eq(late.err.c_str(), "akmctl: There was no answer in time: the NMM.\n");
}

Test(akmctl_node, provision_takes_the_code_from_a_file_or_standard_input) {
  NEED_ROOT();
  World world(With::node);
  const Outcome done =
      world.run({"node", "provision", "/media/usb/../A.akmbundle", "--code-file", "-"}, "  ABCD-EFGH\n");
  cr_assert_eq(done.exit_code, 0, "%s", done.err.c_str());
  cr_assert_str_eq(world.node.calls.back().c_str(), "provision_from_file /media/A.akmbundle");
  const auto code = dbus::read_sealed_memfd(world.node.received.get(), 256);
  cr_assert(code.has_value());
  cr_assert_eq(std::string(code->reveal().begin(), code->reveal().end()), "ABCD-EFGH");
  cr_assert_eq(world.run({"node", "provision", "/a", "--code-file", "/nonexistent"}).exit_code, 6);
  cr_assert_eq(world.run({"node", "provision", "/a", "--code-file", "-"}, " \n").exit_code, 2);
  cr_assert_eq(world.run({"node", "provision", "/a", "--code-file", "-"}, std::string(5000, 'A')).exit_code,
               2);
  const Outcome no_terminal = world.run({"node", "provision", "/a"});
  cr_assert_eq(no_terminal.exit_code, 2);
  expect_has(no_terminal.err, "--code-file");
  cr_assert_eq(world.node.calls.size(), 1);
}

Test(akmctl_node, zeroize_wants_yes) {
  NEED_ROOT();
  World world(With::node);
  cr_assert_eq(world.run({"node", "zeroize"}).exit_code, 2);
  cr_assert(world.node.calls.empty());
  cr_assert_eq(world.run({"node", "zeroize", "--yes"}).exit_code, 0);
  cr_assert_str_eq(world.node.calls.back().c_str(), "zeroize");
}

Test(akmctl_nmm, init_status_nodes) {
  NEED_ROOT();
  World world(With::nmm);
  cr_assert_eq(world.run({"nmm", "init"}).exit_code, 0);
  const Outcome status = world.run({"nmm", "status"});
  expect_has(status.out, "NOT PROTECTED BY HARDWARE");
  const Outcome nodes = world.run({"nmm", "nodes"});
  expect_has(nodes.out, "NODE  ID                STATE     SERIAL  ENDPOINT        HEARD");
  expect_has(nodes.out, "B     00000000000000b2  prepared  2       -               never");
  cr_assert_eq(world.run({"--json", "nmm", "nodes"}).json()[1]["name"], "B");
  world.nmm.members.clear();
  expect_has(world.run({"nmm", "nodes"}).out, "There are no nodes yet.");
  cr_assert_eq(world.run({"--json", "nmm", "nodes"}).out, "[]\n");
  world.nmm.deferred.result = fail(Errc::already_exists);
  cr_assert_eq(world.run({"nmm", "init"}).exit_code, 1);
}

Test(akmctl_nmm, prepare_shows_the_code_once) {
  NEED_ROOT();
  World world(With::nmm);
  world.nmm.code = sealed("ABCDE-FGHJK");
  const std::string value(64, 'a');
  const Outcome text = world.run({"nmm", "bundle", "C", "--hardware-value", value, "--endpoint",
                                  "192.0.2.3:7400", "--to", "/media/usb"});
  cr_assert_eq(text.exit_code, 0, "%s", text.err.c_str());
  expect_has(text.out, "One-time code: ABCDE-FGHJK\n");
  expect_has(text.out, "/media/usb/C.akmbundle");
  cr_assert_eq(world.nmm.prepare.hardware_value.size(), 32);
  cr_assert_str_eq(world.nmm.prepare.node_endpoints.at(0).c_str(), "192.0.2.3:7400");
  world.nmm.code = sealed("ABCDE-FGHJK");
  const Outcome json = world.run({"--json", "nmm", "bundle", "C", "--to", "/media/usb"});
  cr_assert_eq(json.json()["code"], "ABCDE-FGHJK", "%s", json.out.c_str());
  cr_assert_eq(json.json()["path"], "/media/usb/C.akmbundle");
  cr_assert_eq(json.json()["node_id"], "00000000000000c3");
  cr_assert_eq(world.run({"nmm", "bundle", "C", "--hardware-value", "12", "--to", "/"}).exit_code, 2);
  world.nmm.code = sealed("\x1b[2J");  // a code that would steer the terminal
  cr_assert_eq(world.run({"nmm", "bundle", "C", "--to", "/"}).exit_code, 1);
}

Test(akmctl_nmm, a_device_may_be_forced_and_drives_are_listed) {
  NEED_ROOT();
  World world(With::nmm);
  world.nmm.code = sealed("ABCDE-FGHJK");
  cr_assert_eq(world.run({"nmm", "prepare", "C", "--to", "/dev/sdb1", "--force"}).exit_code, 0,
               "the older name");
  cr_assert_eq(world.nmm.calls.back(), "prepare_bundle C /dev/sdb1 by force");
  expect_has(world.run({"nmm", "drives"}).out, "No removable drive is plugged in.");
  world.nmm.drives = {{"/dev/sdb1", "ACME Stick", 3ULL << 30, "vfat", {"/media/usb"}, ""},
                      {"/dev/sdc1", "", 5ULL << 20, "ntfs", {}, "vfat or ext4 is needed"}};
  const Outcome table = world.run({"nmm", "drives"});
  expect_has(table.out, "/dev/sdb1  3.0 GiB  vfat        ACME Stick  /media/usb  yes");
  expect_has(table.out, "vfat or ext4 is needed");
  const Outcome json = world.run({"--json", "nmm", "drives"});
  cr_assert_eq(json.json()[0]["mounted_at"][0], "/media/usb");
  cr_assert_eq(json.json()[1]["bytes"], 5U << 20);
  world.nmm.deferred.result = fail(Errc::busy);
  cr_assert_eq(world.run({"nmm", "drives"}).exit_code, 1);
}

Test(akmctl_node, a_bundle_that_is_plugged_in_is_shown) {
  NEED_ROOT();
  World world(With::node);
  world.node.snapshot.bundles = {{"/dev/sdb1", "a.akmbundle", 4, ""},
                                 {"/dev/sdb1", "b.akmbundle", 0, "It is too large"}};
  const Outcome text = world.run({"node", "status"});
  expect_has(text.out, "(4 tries left): akmctl node provision --from /dev/sdb1/a.akmbundle");
  expect_has(text.out, "cannot be used is plugged in: /dev/sdb1/b.akmbundle: It is too large");
  const Outcome json = world.run({"--json", "node", "status"});
  cr_assert_eq(json.json()["bundles"][0]["tries_left"], 4);
  cr_assert_eq(json.json()["bundles"][1]["refusal"], "It is too large");
  cr_assert_eq(world.run({"node", "provision", "--from", "/dev/sdb1", "--code-file", "-"}, "A\n").exit_code,
               0);
  cr_assert_eq(world.node.calls.back(), "provision_from_file /dev/sdb1");
}

Test(akmctl_node, provision_takes_a_token_and_its_pin) {
  NEED_ROOT();
  World world(With::node);
  const Outcome done =
      world.run({"node", "provision", "--from", "pkcs11:token=one", "--pin-file", "-"}, " 12 34\n");
  cr_assert_eq(done.exit_code, 0, "%s", done.err.c_str());
  cr_assert_str_eq(world.node.calls.back().c_str(), "provision_from_token pkcs11:token=one");
  const auto pin = dbus::read_sealed_memfd(world.node.received.get(), 64);
  cr_assert_eq(std::string(pin->reveal().begin(), pin->reveal().end()), " 12 34",
               "white space counts in a PIN");
  cr_assert_eq(world.run({"node", "provision", "pkcs11:token=one", "--pin-file", "-"}, "\n").exit_code, 2);
  cr_assert_eq(
      world.run({"node", "provision", "pkcs11:token=one", "--pin-file", "-"}, std::string(66, '1')).exit_code,
      2);
  cr_assert_eq(world.run({"node", "provision"}).exit_code, 2);
  cr_assert_eq(world.node.calls.size(), 1);
}

Test(akmctl_nmm, prepare_on_a_token) {
  NEED_ROOT();
  World world(With::nmm);
  const Outcome done =
      world.run({"nmm", "bundle", "C", "--to-token", "pkcs11:token=one", "--pin-file", "-"}, "1234\n");
  cr_assert_eq(done.exit_code, 0, "%s", done.err.c_str());
  expect_has(done.out, "'carrier'");
  expect_has(done.out, "never leaves the token");
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "prepare_token C pkcs11:token=one");
  const Outcome json = world.run(
      {"--json", "nmm", "bundle", "C", "--to-token", "pkcs11:token=one", "--pin-file", "-"}, "1234\n");
  cr_assert_eq(json.json()["token"], "'carrier'", "%s", json.out.c_str());
  cr_assert_eq(json.json()["sealed"], true);
  cr_assert_eq(world.run({"nmm", "bundle", "C"}).exit_code, 2);
  cr_assert_eq(world.run({"nmm", "bundle", "C", "--to", "/x", "--to-token", "pkcs11:token=one"}).exit_code,
               2);
}

Test(akmctl_nmm, provision_over_the_bus) {
  NEED_ROOT();
  World world(With::nmm);
  const Outcome done = world.run({"nmm", "provision", "C", "--bus-address", "unix:path=/run/c", "--endpoint",
                                  "192.0.2.3:7400", "--yes"});
  cr_assert_eq(done.exit_code, 0, "%s", done.err.c_str());
  cr_assert_str_eq(world.nmm.calls.at(0).c_str(), "begin_direct C unix:path=/run/c");
  expect_has(done.out, "Fingerprint");
  expect_has(done.out, "AAAAA-BBBBB-CCCCC-DDDDD");
  cr_assert_str_eq(world.nmm.calls.at(1).c_str(), "confirm_direct 7 AAAAA-BBBBB-CCCCC-DDDDD");
}

Test(akmctl_nmm, what_the_operator_has_read_goes_to_the_nmm_as_it_is) {
  NEED_ROOT();
  World world(With::nmm);
  (void)world.run({"nmm", "provision", "C", "--bus-address", "ssh:c", "--fingerprint", "XXXXX"});
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "confirm_direct 7 XXXXX");
}

Test(akmctl_nmm, lifecycle_of_a_node) {
  NEED_ROOT();
  World world(With::nmm);
  cr_assert_eq(world.run({"nmm", "reprovision", "A"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "reprovision 161");
  const Outcome shown = world.run({"nmm", "rehome", "A"});
  cr_assert_eq(shown.exit_code, 2, "without the value the two machines are only shown");
  expect_has(shown.out, "State");
  cr_assert_eq(world.run({"nmm", "rehome", "A", "--hardware-value", std::string(64, 'a')}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "rehome 161 32");
  cr_assert_eq(world.run({"nmm", "retire", "A"}).exit_code, 2, "not without --yes");
  cr_assert_eq(world.run({"nmm", "retire", "A", "--yes", "--forget"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "retire 161 forget");
  cr_assert_eq(world.run({"nmm", "accept-hardware", "--yes"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "accept_hardware");
}

Test(akmctl_nmm, attest_says_what_the_quote_showed) {
  NEED_ROOT();
  World world(With::nmm);
  const Outcome same = world.run({"nmm", "attest", "A"});
  cr_assert_eq(same.exit_code, 0, "%s", same.err.c_str());
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "attest 161");
  expect_has(same.out, "genuine; its state is the one that was pinned");
  expect_has(same.out, "aa00");
  world.nmm.attested.outcome = "changed";
  const Outcome changed = world.run({"nmm", "attest", "A"});
  cr_assert_eq(changed.exit_code, 1);
  expect_has(changed.out, "NOT the one that was pinned");
  world.nmm.attested.outcome = "accepted";
  const Outcome json = world.run({"--json", "nmm", "attest", "A", "--accept"});
  cr_assert_eq(json.exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "attest 161 accept");
  cr_assert_eq(json.json()["outcome"], "accepted");
  cr_assert_eq(json.json()["log_digest"], std::string(64, '0'));
  world.nmm.deferred.result = fail(Errc::not_supported, "the node has no TPM");
  expect_has(world.run({"nmm", "attest", "A"}).err, "no TPM");
}

Test(akmctl_asr, list_and_show_of_a_node_and_of_an_nmm) {
  World world(With::both);
  const Outcome nmm = world.run({"asr", "list"});
  expect_has(nmm.out,
             "ASR    ID                KIND         GENERATION  EPOCH  PHASE        MEMBERS  KEY CHECK");
  expect_has(nmm.out, "alpha  0000000000000001  operational  3           17     established  2        -\n");
  const Outcome node = world.run({"asr", "list", "--from", "node"});
  expect_has(node.out, "1a2b3c4d");
  const Outcome show = world.run({"asr", "show", "alpha", "--from", "node"});
  cr_assert_eq(show.exit_code, 0);
  expect_has(show.out, "Key check:     1a2b3c4d\n");
  expect_has(show.out, "  1      B     silent  3    16     8 min  -\n");
  expect_has(show.out, "  1      00000000000000b2  -\n");
  expect_has(show.out, "Stragglers:    B, C\n");
  expect_has(show.out, "  data_sent      7\n");
  expect_has(show.out, "  rekey_interval_s  60");
  const Outcome json = world.run({"--json", "asr", "show", "0000000000000001", "--from", "node"});
  cr_assert_eq(json.json()["key_check"], "1a2b3c4d");
  cr_assert_eq(json.json()["members"][0]["endpoints"][0], "192.0.2.1:7400");
  cr_assert_eq(json.json()["id"], "0000000000000001");
  const Outcome missing = world.run({"asr", "show", "beta"});
  cr_assert_eq(missing.exit_code, 6);
  expect_has(missing.err, "no relationship has the name or id 'beta'");
}

Test(akmctl_asr, changes) {
  NEED_ROOT();
  World world(With::nmm);
  const Outcome made = world.run({"--json", "asr", "create", "beta", "A", "00000000000000b2", "--policy",
                                  "rekey_interval_s=5", "--policy", "grace_s=2"});
  cr_assert_eq(made.json()["asr_id"], "0000000000000002", "%s%s", made.out.c_str(), made.err.c_str());
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "create_asr beta 161 178 grace_s=2 rekey_interval_s=5");
  cr_assert_eq(world.run({"asr", "create", "--policy", "rekey_interval_s=5", "beta", "A"}).exit_code, 0);
  cr_assert_eq(world.run({"asr", "create", "beta", "A", "--policy", "x"}).exit_code, 2);
  cr_assert_eq(world.run({"asr", "create", "beta", "nobody"}).exit_code, 6);
  cr_assert_eq(world.run({"asr", "set", "alpha", "rekey_interval_s=600", "nnrt_ms=500"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "set_policy 1 nnrt_ms=500 rekey_interval_s=600");
  cr_assert_eq(world.run({"asr", "set", "alpha"}).exit_code, 2);
  cr_assert_eq(world.run({"asr", "set", "alpha", "nnrt_ms"}).exit_code, 2);
  cr_assert_eq(world.run({"asr", "add", "alpha", "B"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "add_member 1 178");
  cr_assert_eq(world.run({"asr", "remove", "alpha", "B"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "remove_member 1 178");
  cr_assert_eq(world.run({"asr", "rekey", "alpha"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "rekey 1");
  cr_assert_eq(world.run({"asr", "delete", "alpha"}).exit_code, 2);
  cr_assert_eq(world.run({"asr", "delete", "alpha", "--yes"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "delete_asr 1");
  cr_assert_eq(world.run({"quarantine", "B"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "quarantine 178");
  cr_assert_eq(world.run({"readmit", "B"}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "readmit 178");
}

Test(akmctl_asr, export_key_tells_the_serial_alone_and_leaves_no_keyring_open) {
  NEED_ROOT();
  World world(With::both);
  const auto outer = static_cast<std::int32_t>(syscall(SYS_add_key, "keyring", "outer", nullptr, 0, -4));
  if (outer < 0) cr_skip_test("no kernel keyring here");
  // The fake has no key to give: akmctl looks for it, and says that it is not what was promised.
  const Outcome none = world.run(
      {"asr", "export-key", "alpha", "vpn", "--keyring", std::to_string(outer), "--context", "00ff"});
  cr_assert_neq(none.exit_code, 0);
  const std::string asked = world.node.calls.back();
  cr_assert(asked.starts_with("export_key 1 vpn 2 user "), "%s", asked.c_str());
  const auto inner =
      static_cast<std::int32_t>(std::stol(asked.substr(std::string("export_key 1 vpn 2 user ").size())));
  char text[256] = {};
  cr_assert_gt(syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, inner, text, sizeof text), 0);
  cr_assert_str_eq(text, "keyring;0;0;3f030000;akm", "closed again: %s", text);
  world.node.deferred.result = fail(Errc::not_authorized, "the consumer is another user");
  const Outcome refused =
      world.run({"asr", "export-key", "alpha", "vpn", "--keyring", std::to_string(outer)});
  cr_assert_eq(refused.exit_code, 4);
  cr_assert(world.node.calls.back().contains(std::to_string(inner)), "the same keyring again");
  cr_assert_eq(world.run({"asr", "export-key", "alpha", "vpn", "--keyring", "@x"}).exit_code, 2);
  cr_assert_neq(world.run({"asr", "export-key", "alpha", "vpn", "--type", "keyring"}).exit_code, 0);
  world.node.deferred.result = {};
  cr_assert_eq(world.run({"asr", "release-key", "alpha", "815"}).exit_code, 0);
  cr_assert_str_eq(world.node.calls.back().c_str(), "release_key 1 815 for 0");
  (void)syscall(SYS_keyctl, 3 /* KEYCTL_REVOKE */, outer);
}

Test(akmctl, exit_codes_tell_usage_absence_and_refusal_apart) {
  World world(With::nothing);
  cr_assert_eq(world.run({}).exit_code, 2);
  cr_assert_eq(world.run({"node"}).exit_code, 2);
  cr_assert_eq(world.run({"no-such-command"}).exit_code, 2);
  cr_assert_eq(world.run({"--timeout", "soon", "node", "status"}).exit_code, 2);
  cr_assert_eq(world.run({"--help"}).exit_code, 0);
  cr_assert_eq(world.run({"--version"}).exit_code, 0);
  const Outcome absent = world.run({"node", "status"});
  cr_assert_eq(absent.exit_code, 3);
  expect_has(absent.err, "start akmd");
  cr_assert_eq(world.run({"asr", "list"}).exit_code, 3);
  cr_assert_eq(world.run({"metrics"}).exit_code, 3);
  const Outcome no_bus = world.run({"--bus", "unix:path=/nonexistent", "node", "status"});
  cr_assert_eq(no_bus.exit_code, 3, "%s", no_bus.err.c_str());
  expect_has(no_bus.err, "there is no bus at 'unix:path=/nonexistent'");
  cr_assert_eq(world.run({"--bus", "unixexec:path=/bin/sh", "node", "status"}).exit_code, 2);
}

Test(akmctl, a_refused_caller_is_told_so) {
  NEED_ROOT();
  World world(With::node);
  world.node.deferred.result = fail(Errc::not_authorized);
  const Outcome refused = world.run({"node", "activate"});
  cr_assert_eq(refused.exit_code, 4);
  expect_has(refused.err, "group 'akm'");
}

Test(akmctl, monitor_follows_both_services) {
  World world(With::both);
  const Observer node = world.node_adaptor.observer();
  const Observer nmm = world.nmm_adaptor.observer();
  const auto events = [&] {
    node.event({"breach-detected", 2, 1'500'000'000, 0x1, {{"comm", "keyctl"}}});
    nmm.event({"node-evicted", 5, 1'600'000'000, 0, {}});
  };
  const Outcome json = world.run({"--json", "monitor", "--count", "40"}, {}, events);
  cr_assert_eq(json.exit_code, 0, "%s", json.err.c_str());
  std::istringstream lines(json.out);
  std::string line;
  std::size_t count = 0;
  bool from_node = false;
  bool from_nmm = false;
  while (std::getline(lines, line)) {
    const auto event = nlohmann::json::parse(line, nullptr, false);
    cr_assert(event.is_object(), "%s", line.c_str());
    if (event["name"] == "breach-detected")
      from_node = event["service"] == "node" && event["fields"]["comm"] == "keyctl";
    if (event["name"] == "node-evicted") from_nmm = event["service"] == "nmm";
    ++count;
  }
  cr_assert_eq(count, 40);
  cr_assert(from_node && from_nmm);
  const Outcome text = world.run({"monitor", "--count", "1"}, {}, events);
  expect_has(text.out, "       1.500  node  critical  breach-detected  asr=0000000000000001  comm=keyctl\n");
}

Test(akmctl, metrics_are_openmetrics) {
  NEED_ROOT();
  World world(With::both);
  const Outcome out = world.run({"metrics"});
  cr_assert_eq(out.exit_code, 0, "%s", out.err.c_str());
  expect_has(out.out, "# TYPE akm_node_frames_received counter\nakm_node_frames_received_total 12\n");
  expect_has(out.out, "akm_nmm_requests_sent_total 4\n");
  expect_has(out.out, "akm_asr_epoch{asr=\"0000000000000001\",label=\"alpha\"} 17\n");
  expect_has(out.out, "akm_nmm_nodes{state=\"active\"} 1\n");
  cr_assert(out.out.ends_with("# EOF\n"));
}

Test(akmctl_node, identity_goes_to_a_new_file_and_a_bundle_for_the_tpm_needs_no_code) {
  NEED_ROOT();
  World world(With::node);
  const std::string file = world.daemon.folder() + "/a.akmidentity";
  const Outcome identity = world.run({"--json", "node", "identity", "--out", file});
  cr_assert_eq(identity.exit_code, 0, "%s", identity.err.c_str());
  cr_assert_eq(identity.json()["fingerprint"].get<std::string>().size(), 64);
  cr_assert_eq(whole_file(file).size(), 3);
  cr_assert_neq(world.run({"node", "identity", "--out", file}).exit_code, 0, "never over another");
  world.node.tpm_bundle = true;
  cr_assert_eq(world.run({"node", "provision", "/media/A.akmbundle"}).exit_code, 0);
  cr_assert_str_eq(world.node.calls.back().c_str(), "provision_from_tpm_file /media/A.akmbundle 0");
  const std::string digest(64, 'd');
  cr_assert_eq(world.run({"node", "provision", "/media/A.akmbundle", "--digest", digest}).exit_code, 0);
  cr_assert_str_eq(world.node.calls.back().c_str(), "provision_from_tpm_file /media/A.akmbundle 32");
  cr_assert_eq(world.run({"node", "provision", "/media/A.akmbundle", "--digest", "dd"}).exit_code, 2);
  cr_assert_eq(world.run({"node", "provision", "/media/A.akmbundle", "--digest", digest, "--code-file", "-"})
                   .exit_code,
               2);
  world.node.tpm_bundle = false;
  const Outcome other = world.run({"node", "provision", "/media/A.akmbundle", "--digest", digest});
  cr_assert_neq(other.exit_code, 0, "a bundle with a code is not taken for one for the TPM");
  world.node.tpm_bundle = true;
  world.node.deferred.result = fail(Errc::hardware_mismatch);
  cr_assert_eq(world.run({"node", "provision", "/media/A.akmbundle"}).exit_code, 1);
}

Test(akmctl_nmm, bundle_for_a_tpm_says_loudly_what_is_not_certified) {
  NEED_ROOT();
  World world(With::nmm);
  const std::string file = world.daemon.folder() + "/c.akmidentity";
  std::ofstream(file) << "identity";
  const Outcome text =
      world.run({"nmm", "bundle", "C", "--for", file, "--endpoint", "192.0.2.3:7400", "--to", "/media/usb"});
  cr_assert_eq(text.exit_code, 0, "%s", text.err.c_str());
  expect_has(text.out, "NOT CERTIFIED: nobody\n");
  expect_has(text.out, std::string(64, 'd').c_str());
  cr_assert_eq(world.nmm.for_tpm.identity.size(), 8);
  world.nmm.prepared_for_tpm.certified = true;
  expect_has(world.run({"nmm", "bundle", "C", "--for", file, "--to", "/media/usb"}).out, "by nobody\n");
  const Outcome json = world.run({"--json", "nmm", "bundle", "C", "--for", file, "--to", "/media/usb"});
  cr_assert_eq(json.json()["certified"], true, "%s", json.out.c_str());
  cr_assert_eq(world.run({"nmm", "bundle", "C", "--for", "/nonexistent", "--to", "/media/usb"}).exit_code, 6);
}

Test(akmctl_nmm, golden_pcrs) {
  NEED_ROOT();
  World world(With::nmm);
  cr_assert_eq(world.run({"nmm", "attest", "A", "--golden", std::string(64, 'b')}).exit_code, 0);
  cr_assert_str_eq(world.nmm.calls.back().c_str(), "set_golden_pcrs 161 187");
  cr_assert_eq(world.run({"nmm", "attest", "A", "--golden", "bb"}).exit_code, 2);
  cr_assert_eq(world.run({"nmm", "attest", "A", "--accept", "--golden", std::string(64, 'b')}).exit_code, 2);
}
