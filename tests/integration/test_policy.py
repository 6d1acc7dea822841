"""A policy on detections from the NMM, in force at the nodes and after restarts of both; maintenance windows; a hook;
and what akmctl says of it all. Then the policy is taken back, and the same breach costs the node its place."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from support import BUILD, IntegrationTest, main
from test_detections import read_key
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

POLICY = '[policy]\nmode = "observe"\n[maintenance]\nlongest_s = 600\n'


class Policy(IntegrationTest):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir="/run"))  # only root writes there
        self.addCleanup(shutil.rmtree, self.folder)
        hook = self.folder / "hook"
        hook.write_text(f"#!/bin/sh\nenv > {self.folder}/told\n")
        hook.chmod(0o700)
        own = self.folder / "policy.toml"
        own.write_text(f'[hook]\nprogram = "{hook}"\n[responses.key-access]\n'
                       'on_critical = ["revoke-local", "report", "hook", "signal", "log"]\n')
        self.lab = Lab(BUILD, nodes=("a", "b", "c"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm = self.lab.nmm
        for node in self.lab.nodes.values():
            node.overrides["policy.file"] = str(own)
        cluster.activate_all(self.lab)
        cluster.create(self.lab)

    def source(self, name):
        return self.lab.nodes[name].json("policy", "show")["source"]

    def waiting(self):
        return self.nmm.json("policy", "show", "--domain")["waiting"]

    def test_from_the_nmm_to_the_nodes_and_back(self):
        a, c = self.lab.nodes["a"], self.lab.nodes["c"]
        self.assertEqual(self.source("a"), "file")
        text = self.folder / "domain.toml"
        text.write_text("[policy]\nmood = 1\n")
        wrong = self.nmm.akmctl("policy", "set", str(text), "--domain", check=False)
        self.assertIn("policy:2: unknown key policy.mood", wrong.stderr)

        # One node is away, and the NMM is killed: it tells it all the same when both are back.
        text.write_text(POLICY)
        c.stop()
        self.nmm.akmctl("policy", "set", str(text), "--domain")
        wait_until(lambda: self.source("a") == self.source("b") == "nmm", "a and b have the policy", 20)
        self.nmm.kill()
        self.nmm.start()
        c.start()
        wait_until(lambda: self.source("c") == "nmm", "c has it too", 60)
        wait_until(lambda: self.waiting() == "", "nobody is waited for", 20)

        a.kill()
        a.start()
        self.assertEqual(self.source("a"), "nmm", "after a restart")
        cluster.wait_agreed(self.lab, ["a", "b", "c"], "asr-1")
        read_key(a)
        wait_until(lambda: a.status()["counters"].get("detections_critical"), "the breach is seen", 10)
        self.assertEqual(a.status()["state"], "active", "mode observe")
        self.assertFalse((self.folder / "told").exists())

        self.maintenance(a)

        self.nmm.akmctl("policy", "clear", "--domain")
        wait_until(lambda: self.source("a") == "file", "its own file again", 30)
        read_key(a)
        wait_until(lambda: a.status()["state"] == "quarantined", "the same breach", 20)
        wait_until(lambda: "AKM_CLASS=key-access" in self.told(), "the hook has run", 20)

    def told(self):
        path = self.folder / "told"
        return path.read_text() if path.exists() else ""

    def maintenance(self, node):
        long = node.akmctl("maintenance", "start", "--for", "2h", "--why", "too long", check=False)
        self.assertIn("at most 600 s", long.stderr)
        node.akmctl("maintenance", "start", "--for", "5m", "--why", "an update")
        node.kill()
        node.start()
        windows = node.json("maintenance", "show")
        self.assertEqual([window["why"] for window in windows], ["an update"])
        wait_until(lambda: [window["why"] for window in self.nmm.json("maintenance", "show")] == ["an update"],
                   "the NMM knows of it", 20)
        self.assertTrue(any("window was opened at a" in one for one in self.nmm.status()["findings"]))
        node.akmctl("maintenance", "stop")
        self.assertEqual(node.json("maintenance", "show"), [])
        wait_until(lambda: self.nmm.json("maintenance", "show") == [], "and of its end", 20)
        self.nmm.akmctl("maintenance", "start", "--for", "5m", "--why", "field service", "--node", "a")
        wait_until(lambda: [window["scope"] for window in node.json("maintenance", "show")] == ["nmm"],
                   "the NMM's window is open at the node", 20)
        self.nmm.akmctl("maintenance", "stop", "--node", "a")
        wait_until(lambda: node.json("maintenance", "show") == [], "and closed", 20)
        self.refused_by_a_drop_in(node)

    def refused_by_a_drop_in(self, node):
        """What stands in a drop-in is sent with the policy; here, that nobody opens a window at a node."""
        node.akmctl("maintenance", "start", "--for", "5m", "--why", "an update")
        drop_ins = self.folder / "domain.toml.d"
        drop_ins.mkdir()
        (drop_ins / "10-windows.toml").write_text("[maintenance]\nat_node = false\n")
        self.nmm.akmctl("policy", "set", str(self.folder / "domain.toml"), "--domain")
        wait_until(lambda: node.json("maintenance", "show") == [], "the NMM's policy closes it", 20)
        again = node.akmctl("maintenance", "start", "--for", "5m", "--why", "an update", check=False)
        self.assertIn("maintenance.at_node", again.stderr)


class Files(unittest.TestCase):
    def test_without_a_daemon(self):
        akmctl = str(BUILD / "bin" / "akmctl")
        with tempfile.TemporaryDirectory() as folder:
            incident = pathlib.Path(folder) / "incident.jsonl"
            lines = [{"class": "module-load", "grade": "evidence"},
                     {"class": "sensor-tampering", "grade": "critical"}]
            seen = {"outcome": "succeeded", "boottime_ns": 1, "node": "a"}
            incident.write_text("".join(json.dumps(line | seen) + "\n" for line in lines))
            done = subprocess.run([akmctl, "policy", "simulate", str(incident), "--file", f"{folder}/none"],
                                  capture_output=True, text=True, check=True)
        self.assertIn("combined-evidence", done.stdout)
        self.assertIn("evict", done.stdout)


if __name__ == "__main__":
    main()
