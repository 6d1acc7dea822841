"""Responses followed to their end and back: the NMM away at the breach, a false alarm undone, a breach in the middle
of a rekey, half of the members at once."""
import subprocess

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

ALL = ("a", "b", "c", "d", "e", "f")


class Recovery(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=ALL)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.lab.nmm.overrides["recovery.evictions_per_window"] = 5  # as many as there are here
        cluster.activate_all(self.lab)
        self.generation = cluster.create(self.lab)[0]

    def attack(self, name):
        """Root on that node reads the daemon's memory."""
        with open(f"/proc/{self.lab.nodes[name].daemon.pid}/mem", "rb"):
            pass

    def states(self):
        return {node["name"]: node["state"] for node in self.lab.nmm.json("nmm", "nodes")}

    def wait_out(self, *names):
        """They hold no key, the NMM has them in quarantine, and the others agree without them."""
        for name in names:
            node = self.lab.nodes[name]
            wait_until(lambda node=node: node.status()["state"] == "quarantined", f"{name} in quarantine", 20)
            self.assertIsNone(node.asr("asr-1"), f"{name} holds no key")
        wait_until(lambda: all(self.states()[name] == "quarantined" for name in names), "the NMM knows", 20)
        left = [name for name in ALL if name not in names]
        key = cluster.wait_agreed(self.lab, left, "asr-1")
        self.assertGreater(key[0], self.generation, "new keys without them")
        self.generation = key[0]

    def wait_back(self, *names):
        for name in names:
            self.lab.nmm.akmctl("readmit", name)
        wait_until(lambda: (cluster.agreed(self.lab, ALL, "asr-1") or (0,))[0] > self.generation, "all six agree", 30)
        self.generation = cluster.agreed(self.lab, ALL, "asr-1")[0]
        wait_until(lambda: set(self.states().values()) == {"active"}, "nobody is in quarantine at the NMM", 20)
        for name in names:
            self.assertEqual(self.lab.nodes[name].status()["state"], "active")

    def test_to_the_end_and_back(self):
        nodes = self.lab.nodes
        with self.subTest("the NMM is away"):
            self.lab.nmm.kill()
            self.attack("c")
            wait_until(lambda: nodes["c"].status()["state"] == "quarantined", "c revokes its own keys", 20)
            self.assertIsNone(nodes["c"].asr("asr-1"))
            nodes["c"].kill()  # the unanswered report outlives a restart
            nodes["c"].start()
            self.assertEqual(nodes["c"].status()["state"], "quarantined")
            self.assertIsNotNone(cluster.agreed(self.lab, [n for n in ALL if n != "c"], "asr-1"), "the others go on")
            self.lab.nmm.start()
            self.wait_out("c")
        with self.subTest("a false alarm is undone"):
            self.wait_back("c")
        with self.subTest("a breach during a rekey"):
            with subprocess.Popen(nodes["a"].akmctl_argv("asr", "rekey", "asr-1"), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL):
                self.attack("d")
            self.wait_out("d")
            self.wait_back("d")
        with self.subTest("half of the nodes at once"):
            for name in ("b", "d", "f"):
                self.attack(name)
            self.wait_out("b", "d", "f")
            self.wait_back("b", "d", "f")


if __name__ == "__main__":
    main()
