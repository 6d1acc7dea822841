"""A node's way after its activation: a part is replaced, its credentials are renewed, it is retired, its machine
becomes a golden image, its state is copied. Sealing in software where a copy of the disk is to open elsewhere."""
import json
import re
import shutil

from support import BUILD, HASTY_NMM, IntegrationTest, found, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until


def begun_anew(host):
    status = host.status() or {}
    return status.get("state") == "unprovisioned" and not any("starts anew" in line for line in status["findings"])


class Lifecycle(IntegrationTest):
    nodes = ("a", "b")

    def setUp(self):
        self.lab = Lab(BUILD, nodes=self.nodes + ("copy",))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.a, self.b = self.lab.nmm, self.lab.nodes["a"], self.lab.nodes["b"]
        self.copy = self.lab.nodes["copy"]
        # No part waits for it to pass; a node may be long about erasing itself with its TPM.
        self.nmm.overrides |= HASTY_NMM | {"policy.control_deadline_s": 60}
        for host in (self.a, self.copy):
            host.overrides["sealing.mode"] = "software"

    def start(self):
        for host in (self.nmm, self.a, self.b):
            host.start()
        self.nmm.akmctl("nmm", "init")
        for host in (self.a, self.b):
            self.nmm.akmctl("nmm", "provision", host.name, "--bus-address", host.bus_address, "--endpoint",
                            host.endpoint)
        for host in (self.a, self.b):
            wait_until(lambda h=host: h.status()["state"] == "active", f"{host.name} is active")
        self.key = cluster.create(self.lab, names=["a", "b"])

    def facts(self, name):
        """What the NMM shows of a node, as a list of pairs."""
        return self.nmm.json("nmm", "node", name)

    def fact(self, name, fact):
        return [value for key, value in self.facts(name) if key == fact]

    def serial(self, name):
        return {node["name"]: node["serial"] for node in self.nmm.json("nmm", "nodes")}[name]

    def replace_board(self, host, serial="NEWBOARD"):
        (host.folder / "sys/class/dmi/id/board_serial").write_text(serial + "\n")

    def test_a_replaced_part(self):
        self.start()
        self.a.stop()
        self.replace_board(self.a)
        self.a.start()
        # Named on the node, and in the NMM's refusal.
        self.assertEqual(self.a.status()["changed_sources"], ["dmi-board-serial changed"])
        self.assertTrue(found(self.a, "dmi-board-serial changed", "akmctl node rehome"))
        wait_until(lambda: "another hardware value: dmi-board-serial changed" in self.nmm.log.read_text(),
                   "the NMM's refusal names the source")
        value = self.a.json("node", "identity")["value"]
        early = self.nmm.akmctl("nmm", "rehome", "a", "--hardware-value", value, check=False)
        self.assertIn("has not asked", early.stderr)
        # Both have to say so.
        self.a.akmctl("node", "rehome")
        self.assertNotEqual(self.a.status()["state"], "active")
        self.assertEqual(self.fact("a", "Another machine: hardware value"), [value])
        self.assertEqual(self.fact("a", "Difference"), ["dmi-board-serial changed"])
        wrong = self.nmm.akmctl("nmm", "rehome", "a", "--hardware-value", "ab" * 32, check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.nmm.akmctl("--timeout", "90", "nmm", "rehome", "a", "--hardware-value", value)
        wait_until(lambda: self.a.status()["state"] == "active", "a is active on its new board")
        self.assertEqual(self.serial("a"), 2)
        self.assertEqual(self.a.status()["changed_sources"], [])
        self.assertEqual(self.fact("a", "Another machine: hardware value"), [])
        self.a.stop()
        self.a.start()
        self.assertEqual(self.a.status()["state"], "active", "the new value is the one that counts")

    def test_the_old_credentials_die_at_once(self):
        self.start()
        self.a.stop()
        shutil.copytree(self.a.state, self.copy.state)
        shutil.copytree(self.a.folder / "sys", self.copy.folder / "sys", dirs_exist_ok=True)
        self.a.start()
        wait_until(lambda: self.a.status()["state"] == "active", "a is back")
        self.nmm.akmctl("--timeout", "90", "nmm", "reprovision", "a")
        self.assertEqual(self.serial("a"), 2)
        wait_until(lambda: self.a.status()["state"] == "active", "a goes on")
        self.nmm.akmctl("asr", "rekey", "asr-1")
        self.a.stop()  # the copy has the field, and still is nobody
        self.copy.overrides["activation.automatic"] = False
        self.copy.start()
        heard = [node for node in self.nmm.json("nmm", "nodes") if node["name"] == "a"][0]
        self.copy.akmctl("--timeout", "10", "node", "activate", check=False)
        after = [node for node in self.nmm.json("nmm", "nodes") if node["name"] == "a"][0]
        self.assertEqual(after["endpoint"], heard["endpoint"], "nothing of the copy was taken")
        self.assertEqual(after["last_heard_ns"], heard["last_heard_ns"])

    def test_a_copy_is_shown_beside_the_original(self):
        self.start()
        self.a.stop()
        shutil.copytree(self.a.state, self.copy.state)
        self.a.start()
        wait_until(lambda: self.a.status()["state"] == "active", "a is back")
        self.a.stop()
        self.copy.start()
        # Nothing is as it was: the copy keeps no group, and the NMM shows both.
        self.assertTrue(found(self.copy, "this is another machine"))
        self.assertTrue(found(self.copy, "relationships were erased here"))
        self.assertIsNone(self.copy.asr("asr-1"))
        # At the same number of starts its frames are refused: only the address is known.
        wait_until(lambda: self.fact("a", "Another machine: what") == ["cloned-identity"], "the NMM has seen the copy")
        self.assertEqual(self.fact("a", "Another machine: heard at"), [self.copy.endpoint])
        # One start more, and it is heard. The node is in quarantine by then: it gets nothing, and is shown.
        self.copy.stop()
        self.copy.start()
        wait_until(lambda: self.fact("a", "Another machine: what") == ["activate"], "the copy has asked")
        self.assertEqual(self.fact("a", "Activated machine: heard at"), [self.a.endpoint])
        self.assertEqual(self.fact("a", "Another machine: heard at"), [self.copy.endpoint])
        self.assertEqual(self.fact("a", "Another machine: hardware value"),
                         [self.copy.json("node", "identity")["value"]])
        self.assertNotEqual(self.fact("a", "Activated machine: hardware value"),
                            self.fact("a", "Another machine: hardware value"))
        for fact in ("boot id", "machine id digest", "start"):
            for whose in ("Activated", "Another"):
                self.assertNotIn(self.fact("a", f"{whose} machine: {fact}"), ([], ["not known"]), fact)
        self.assertIn("another machine", self.fact("a", "Judgement")[0])

    def test_zeroize_leaves_nothing(self):
        self.start()
        used = (self.b.state / "records").iterdir()
        self.assertTrue(list(used))
        before = {path.name: path.read_bytes() for path in self.a.state.rglob("*") if path.is_file()}
        done = self.a.json("node", "zeroize", "--yes")
        self.assertEqual(done["failed"], [])
        for what in ("kernel-keyring", "node-record", "provisioning-relationship", "software-key",
                     "sealed-storage-key"):
            self.assertIn(what, done["erased"])
        self.assertRegex(done["mac"], "^[0-9a-f]{64}$")
        wait_until(lambda: begun_anew(self.a), "a has begun anew")
        after = {path.name: path.read_bytes() for path in self.a.state.rglob("*") if path.is_file()}
        for name in ("kek.sealed", "software.key"):
            self.assertNotEqual(before[name], after.get(name), name)
        self.assertFalse([name for name in after if name.startswith("asr-") or name == "node"], after.keys())

    def test_retire_brings_a_receipt(self):
        self.start()
        self.nmm.akmctl("--timeout", "90", "nmm", "retire", "b", "--yes")
        receipt = json.loads(self.fact("b", "Receipt")[0])
        self.assertEqual(receipt["failed"], [])
        self.assertIn("its receipt is genuine", self.nmm.log.read_text())
        self.assertEqual(receipt["last"][-2:], ["provisioning-relationship", "storage-key"])
        wait_until(lambda: begun_anew(self.b), "b has begun anew")
        self.assertEqual(self.fact("b", "State"), ["retired"])
        # A retired one can come back, as a new serial.
        self.nmm.akmctl("nmm", "provision", "b", "--bus-address", self.b.bus_address, "--endpoint", self.b.endpoint)
        wait_until(lambda: self.b.status()["state"] == "active", "b is back")
        self.assertEqual(self.serial("b"), 2)

    def test_golden_image(self):
        self.start()
        self.a.akmctl("node", "generalize", "--yes")
        wait_until(lambda: found(self.a, "generalized"), "a has no identity, and says why")
        self.assertEqual(self.a.status()["state"], "sealed-unavailable")
        self.a.stop()
        self.assertEqual([path.name for path in (self.a.state / "records").iterdir()
                          if not path.name.startswith(".")], [])
        # The image is started on two machines, as after another boot.
        marker = self.a.state / "generalized"
        marker.write_text(re.sub("^.", lambda c: "0" if c[0] != "0" else "1", marker.read_text()))
        shutil.copytree(self.a.state, self.copy.state)
        for host in (self.a, self.copy):
            host.start()
            self.assertEqual(host.status()["state"], "unprovisioned")
        keys = {host.name: (host.state / "kek.sealed").read_bytes() for host in (self.a, self.copy)}
        self.assertNotEqual(keys["a"], keys["copy"])
        self.assertFalse((self.copy.state / "generalized").exists())
        self.nmm.akmctl("nmm", "provision", "copy", "--bus-address", self.copy.bus_address, "--endpoint",
                        self.copy.endpoint)
        wait_until(lambda: self.copy.status()["state"] == "active", "copy is a node of its own")

    def test_a_copied_nmm_does_not_run(self):
        self.nmm.overrides |= {"sealing.mode": "software", "hardware.sysfs_root": str(self.nmm.folder / "sys")}
        self.start()
        self.nmm.stop()
        (self.nmm.folder / "sys/class/dmi/id/board_serial").write_text("ANOTHER\n")
        self.nmm.start()
        self.assertEqual(self.nmm.status()["state"], "sealed-unavailable")
        self.assertTrue(found(self.nmm, "made on other hardware", "dmi-board-serial changed", "accept-hardware"))
        refused = self.nmm.akmctl("asr", "rekey", "asr-1", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.nmm.akmctl("nmm", "accept-hardware", "--yes")
        wait_until(lambda: (self.nmm.status() or {}).get("state") == "ready", "the NMM runs on its heir")
        self.nmm.akmctl("asr", "rekey", "asr-1")


if __name__ == "__main__":
    main()
