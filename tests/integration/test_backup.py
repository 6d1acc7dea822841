"""A lost NMM that stood alone: its backup, restored on another machine, gets the nodes back, gives nothing to the one
that was put out after the backup, and the old machine is not heard when it comes back."""
import time

from support import BUILD, HASTY_NMM, IntegrationTest, found, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

NODES = ("a", "b", "c")


class Backup(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=NODES, spares=1)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        lab = self.lab
        lab.nmm.overrides |= HASTY_NMM
        lab.spares[0].overrides = HASTY_NMM | {"nmm.name": "nmm"}
        for node in lab.nodes.values():
            node.overrides["probes.enabled"] = False  # not what is tested
        cluster.activate_all(lab)
        cluster.create(lab)

    def nodes_of(self, nmm):
        """By name; none while the daemon starts anew."""
        return {n["name"]: n for n in nmm.json("nmm", "nodes")} if nmm.status() else {}

    def opened(self, nmm, command, **options):
        yes = ["--yes"] if command == "restore" else []
        return nmm.akmctl("--json", "nmm", command, self.file, *yes, "--recovery-file", "-", stdin=self.secret + "\n",
                          **options)

    def backup(self, nmm):
        self.file = str(self.lab.nmm.folder / "nmm.akmbackup")
        self.secret = nmm.json("nmm", "backup", self.file)["secret"]
        before = nmm.json("nmm", "nodes")
        self.assertEqual(self.opened(nmm, "restore-test").returncode, 0)
        self.assertEqual([n["serial"] for n in nmm.json("nmm", "nodes")], [n["serial"] for n in before])
        self.assertIn("has none", self.opened(nmm, "restore", check=False).stderr)

    def test_restored_elsewhere(self):
        lab, spare = self.lab, self.lab.spares[0]
        self.backup(lab.nmm)
        lab.nmm.akmctl("asr", "remove", "asr-1", "c")
        before = cluster.wait_agreed(lab, "ab", "asr-1", generation=2)
        lab.nmm.kill()

        lost = time.monotonic()
        spare.start()
        wrong = spare.akmctl("nmm", "restore", self.file, "--yes", "--recovery-file", "-", stdin="0" * 20, check=False)
        self.assertIn("another recovery secret", wrong.stderr)
        self.opened(spare, "restore")
        wait_until(lambda: [n["state"] == "active" and n["serial"] == 2 and n["last_heard_ns"] > 0
                            for n in self.nodes_of(spare).values()] == [True] * len(NODES),
                   "all nodes back under the next serial", 60, 0.2)
        print(f"{len(NODES)} nodes were back {time.monotonic() - lost:.1f} s after the loss")
        self.assertEqual(cluster.wait_agreed(lab, "ab", "asr-1")[0], before[0], "the relationship went on")
        wait_until(lambda: found(spare, "asr-1 is as the backup has it", "They hold another:",
                                 "Not heard of it yet: c."), "it learns of it", 20)
        self.assertIsNone(lab.nodes["c"].asr("asr-1"))
        self.assertNotEqual(spare.akmctl("asr", "rekey", "asr-1", check=False).returncode, 0)
        spare.akmctl("asr", "remove", "asr-1", "c")
        spare.akmctl("asr", "confirm", "asr-1")
        cluster.wait_agreed(lab, "ab", "asr-1", generation=3)
        self.assertIsNone(lab.nodes["c"].asr("asr-1"))
        self.assertEqual(found(spare, "as the backup has it"), [])

        # The old machine comes back with all that it had.
        lab.nmm.start()
        lab.nmm.akmctl("--timeout", "3", "asr", "rekey", "asr-1", check=False)
        self.assertEqual([n["name"] for n in lab.nmm.json("nmm", "nodes") if n["last_heard_ns"] > 0], [])
        self.assertEqual(cluster.wait_agreed(lab, "ab", "asr-1")[0], 3, "nobody heard it")


if __name__ == "__main__":
    main()
