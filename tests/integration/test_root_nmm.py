"""One level up in the ways of a node: an NMM gets its credentials from the Root over a program (as ssh would) with the
fingerprint compared, on a token, and over a Unix socket in a lost one's place. Records of the Root's go down to it."""
import os
import shutil

from support import BUILD, IntegrationTest, main
from test_direct import BRIDGE
from test_token import MODULE, PIN, Token
from tools.lab.lab import Lab, wait_until

POLICY = ("policy", "0000000000000001")
PUMP = "00000000000000a7"


def root_state(nmm):
    """None while the daemon starts anew."""
    return (nmm.status() or {}).get("root_state")


class RootNmm(IntegrationTest):
    needed = ("systemd-stdio-bridge",)

    def setUp(self):
        self.lab = Lab(BUILD, nodes=(), root=True, spares=1)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.root, self.nmm, self.spare = self.lab.root, self.lab.nmm, self.lab.spares[0]
        bridge = self.lab.folder / "ssh"
        bridge.write_text(BRIDGE.format(prefix=self.lab.prefix, folder=self.lab.folder))
        bridge.chmod(0o755)
        self.root.overrides |= {"direct.exec": [str(bridge)], "direct.hosts": ["nmm"]}
        self.spare.overrides |= {"nmm.name": "nmm"}

    def start(self, *hosts):
        for host in hosts:
            host.start()
        self.root.akmctl("root", "init")

    def provision(self, *arguments):
        return self.root.akmctl("root", "nmm", "provision", "nmm", "--direct", "ssh:nmm", *arguments, check=False)

    def reached(self, nmm):
        wait_until(lambda: root_state(nmm) == "reached", f"{nmm.name} to reach its Root", 30)

    def test_over_its_bus_and_then_its_records_and_its_successor(self):
        self.start(self.root, self.nmm, self.spare)
        self.nmm.akmctl("nmm", "init")
        for arguments in ((), ("--fingerprint", "00000-00000-00000-00000")):
            done = self.provision(*arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("nothing was sent", done.stderr)
        self.assertEqual(self.root.json("root", "nmms"), [])
        self.assertEqual(root_state(self.nmm), "standalone")
        # Both sides show the same. An NMM that stands alone is adopted under the id that it tells.
        shown = self.nmm.status()["handover_fingerprint"]
        self.assertIn(shown, self.nmm.akmctl("nmm", "status").stdout)
        done = self.provision("--fingerprint", shown)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(shown, done.stdout)
        self.reached(self.nmm)
        nmm_id = self.nmm.status()["nmm_id"]
        self.assertEqual(self.nmm.status()["handover_fingerprint"], "", "the key was for one bundle")
        wait_until(lambda: [one["nmm_id"] for one in self.root.json("root", "nmms")] == [nmm_id], "the adoption")

        self.root.akmctl("root", "set", "node", PUMP, "-f", "name=pump-7", "-f", f"nmm={nmm_id}")
        nodes = wait_until(lambda: self.nmm.json("nmm", "nodes"), "the expected node")
        self.assertEqual([(one["name"], one["node_id"], one["state"]) for one in nodes], [("pump-7", PUMP, "expected")])
        self.nmm.kill()
        self.nmm.start()
        self.assertEqual(self.nmm.json("nmm", "nodes")[0]["state"], "expected", "it is durable")

        # Its machine is lost: over a Unix socket nobody has to compare.
        self.nmm.kill()
        self.root.akmctl("root", "nmm", "replace", nmm_id, "--direct", self.spare.bus_address)
        self.reached(self.spare)
        wait_until(lambda: [one["name"] for one in self.spare.json("nmm", "nodes")] == ["pump-7"], "the records")
        self.assertEqual(self.spare.status()["nmm_id"], nmm_id)

    def test_on_a_token_and_by_a_file_with_its_tries_counted(self):
        missing = [tool for tool in ("softhsm2-util", "pkcs11-tool") if shutil.which(tool) is None]
        if missing or not os.path.exists(MODULE):
            self.skipTest("SoftHSM2 is not installed")
        token = Token(self.lab.folder / "stick")
        for host in (self.root, self.nmm, self.spare):
            host.environment |= token.environment
            host.overrides |= {"pkcs11.module": MODULE}
        self.start(self.root, self.nmm, self.spare)
        value = self.nmm.json("nmm", "identity")["value"]
        made = self.root.json("root", "nmm", "prepare", "nmm", "--hardware-value", value, "--to-token", token.uri,
                              "--pin-file", "-", stdin=PIN + "\n")
        self.nmm.akmctl("nmm", "join", token.uri, "--pin-file", "-", stdin=PIN + "\n")
        self.reached(self.nmm)
        self.assertEqual(self.nmm.status()["nmm_id"], made["nmm_id"])
        again = self.nmm.akmctl("nmm", "join", token.uri, "--pin-file", "-", stdin=PIN + "\n", check=False)
        self.assertNotEqual(again.returncode, 0)

        folder = self.lab.folder / "usb"
        folder.mkdir()
        value = self.spare.json("nmm", "identity")["value"]
        made = self.root.json("root", "nmm", "prepare", "south", "--hardware-value", value, "--to", str(folder))

        def join(code):
            return self.spare.akmctl("nmm", "join", str(folder), "--code-file", "-", stdin=code + "\n", check=False)
        for left in (4, 3, 2, 1):  # the pause after the last of these, 8 s, is not over before the next is asked for
            wait_until(lambda: f"{left} tr" in join("0" * 20).stderr, f"{left} tries remain", 30, step=0.5)
        self.assertNotEqual(join(made["code"]).returncode, 0, "the next try waits")
        wait_until(lambda: join(made["code"]).returncode == 0, "the next try", 60)
        self.reached(self.spare)
        self.assertEqual([path.name for path in folder.iterdir()], ["south.akmreceipt"])

    def test_for_its_tpm_without_a_code(self):
        self.start(self.root, self.nmm, self.spare)
        identity, folder = self.lab.folder / "nmm.akmidentity", self.lab.folder / "usb"
        folder.mkdir()
        shown = self.nmm.json("nmm", "identity", "--out", str(identity))["fingerprint"]
        made = self.root.json("root", "nmm", "prepare", "nmm", "--for", str(identity), "--to", str(folder))
        self.assertEqual(made["fingerprint"], shown)
        other = self.spare.akmctl("nmm", "join", str(folder), "--digest", made["digest"], check=False)
        self.assertNotEqual(other.returncode, 0, "another machine's TPM")
        self.nmm.akmctl("nmm", "join", str(folder), "--digest", made["digest"])
        self.reached(self.nmm)
        self.assertEqual([path.name for path in folder.iterdir()], ["nmm.akmreceipt"])

    def test_a_pruned_history_is_verified_at_the_next_start(self):
        self.start(self.root)
        for seconds in (600, 60, 30, 20):
            self.root.akmctl("root", "set", *POLICY, "-f", f"rekey_interval_s={seconds}")
        pruned = self.root.json("root", "history", "prune", "--keep", "2", "--yes")
        self.assertEqual(pruned, {"pruned_to": 2, "rows": 2})
        self.root.kill()
        self.root.start()
        wait_until(lambda: self.root.status()["state"] == "ready", "the Root to be ready")
        self.assertEqual(self.root.status()["pruned_to"], 2)
        self.assertEqual([one["revision"] for one in self.root.json("root", "history")], [3, 4])
        self.assertNotEqual(self.root.akmctl("root", "rollback", "1", check=False).returncode, 0)
        self.assertEqual(self.root.json("root", "rollback", "3")["revision"], 5)


if __name__ == "__main__":
    main()
