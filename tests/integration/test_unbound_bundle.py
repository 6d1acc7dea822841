"""A bundle for a machine that nobody has seen is bound to it at its activation, and then works nowhere else.

Sealing in software, so that a copy of the state opens elsewhere: the TPM would already stop that, and is not what is
shown here.
"""
import shutil

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until


class UnboundBundle(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b", "early", "late"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        for node in self.lab.nodes.values():
            node.overrides |= {"sealing.mode": "software", "activation.automatic": False}
        self.lab.nodes["b"].overrides["sealing.mode"] = "tpm"

    def prepare(self):
        """Provisions a with a bundle that was made without its hardware value."""
        a, nmm = self.lab.nodes["a"], self.lab.nmm
        usb = self.lab.folder / "usb"
        usb.mkdir()
        prepared = nmm.json("nmm", "bundle", "a", "--endpoint", a.endpoint, "--to", usb)
        a.akmctl("node", "provision", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        self.assertEqual(a.status()["state"], "provisioned")

    def listed(self):
        return {node["name"]: (node["serial"], node["state"]) for node in self.lab.nmm.json("nmm", "nodes")}

    def copy(self, target):
        """The state of a, which is stopped, on a host with another hardware identity."""
        host = self.lab.nodes[target]
        shutil.copytree(self.lab.nodes["a"].state, host.state)
        return host

    def refused(self, host):
        """The text with which the copy is not activated."""
        self.assertNotEqual(host.json("node", "identity")["value"], self.hardware)
        done = host.akmctl("--timeout", "60", "node", "activate", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotEqual(host.status()["state"], "active")
        return done.stderr

    def test_is_bound_at_activation(self):
        a, nmm = self.lab.nodes["a"], self.lab.nmm
        for host in (nmm, a, self.lab.nodes["b"]):
            host.start()
        nmm.akmctl("nmm", "init")
        self.hardware = a.json("node", "identity")["value"]
        self.prepare()
        self.assertEqual(self.listed(), {"a": (1, "prepared")})
        a.stop()
        early = self.copy("early")  # still unbound
        a.start()
        a.akmctl("node", "activate")
        wait_until(lambda: self.listed()["a"] == (2, "active"), "a new serial, bound to the hardware value")
        self.join_b()
        # Both sides stand on the bound credentials: what they agree on works, also after a restart of both.
        key = cluster.create(self.lab, names=["a", "b"])
        for host in (a, nmm):
            host.stop()
            host.start()
        self.assertEqual(a.status()["state"], "active")
        self.assertFalse([f for f in a.status()["findings"] if "hardware value" in f])
        nmm.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(self.lab, ["a", "b"], "asr-1", generation=key[0] + 1)
        self.assertEqual(self.listed()["a"], (2, "active"))

        # The bundle's own credentials are worth nothing any more, whoever has copied them.
        early.start()
        self.refused(early)
        # Nor are the bound ones on another machine: the NMM knows which one they are for.
        a.stop()
        late = self.copy("late")
        late.start()
        self.assertTrue([f for f in late.status()["findings"] if "hardware value" in f], late.status()["findings"])
        self.assertEqual(late.status()["state"], "provisioned", "active was said of the other machine")
        self.assertIn("hardware value is not the one", self.refused(late))

    def join_b(self):
        b = self.lab.nodes["b"]
        self.lab.nmm.akmctl("nmm", "provision", "b", "--bus-address", b.bus_address, "--endpoint", b.endpoint)
        b.akmctl("node", "activate")
        wait_until(lambda: b.status()["state"] == "active", "b is active")


if __name__ == "__main__":
    main()
