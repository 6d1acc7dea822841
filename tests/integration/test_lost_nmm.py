"""A lost NMM: the Root issues a replacement, which gets every node back without anybody touching one. The old machine
comes back later: no node hears it, the Root says why, and it stops itself."""
import time

from support import BUILD, HASTY_NMM, IntegrationTest, found, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

NODES = tuple(f"n{i:02d}" for i in range(20))


def root_state(nmm):
    """None while the daemon starts anew: a replacement does so once, with the incarnations that the Root told it."""
    return (nmm.status() or {}).get("root_state")


def joined(root, nmm, *command):
    """The Root's bundle for this machine (`command` says which), carried by hand and taken with its code."""
    value = nmm.json("nmm", "identity")["value"]
    made = root.json("root", "nmm", *command, "--hardware-value", value, "--to", str(nmm.folder))
    nmm.akmctl("nmm", "join", made["path"], "--code-file", "-", stdin=made["code"] + "\n")
    wait_until(lambda: root_state(nmm) == "reached", f"{nmm.name} to reach its Root", 60)
    return made["nmm_id"]


class LostNmm(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=NODES, root=True, spares=1)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        lab = self.lab
        times = {key: value for key, value in HASTY_NMM.items() if key.startswith("policy.")}
        lab.root.overrides = dict(times)
        lab.nmm.overrides = dict(times)
        lab.spares[0].overrides = {**times, "nmm.name": "nmm"}
        for node in lab.nodes.values():
            node.overrides = {"probes.enabled": False}  # twenty sets of probes are not what is tested
        lab.root.start()
        lab.root.akmctl("root", "init")
        lab.nmm.start()
        self.nmm_id = joined(lab.root, lab.nmm, "prepare", "nmm")
        for name, node in lab.nodes.items():
            node.start()
            lab.nmm.akmctl("nmm", "provision", name, "--bus-address", node.bus_address, "--endpoint", node.endpoint)
        wait_until(lambda: all(n.status()["state"] == "active" for n in lab.nodes.values()), "all nodes active", 90)
        cluster.create(lab)

    def nodes_of(self, nmm):
        """By name; none while the daemon starts anew."""
        return {n["name"]: n for n in nmm.json("nmm", "nodes")} if nmm.status() else {}

    def test_all_nodes_come_back_and_the_old_machine_is_fenced(self):
        lab, spare = self.lab, self.lab.spares[0]
        reported = wait_until(lambda: next((n for n in lab.root.json("root", "nmms")
                                            if n["nodes"] == len(NODES) and n["asrs"] == 1), None), "the report", 30)
        self.assertEqual(reported["nmm_id"], self.nmm_id)
        pids = {name: node.daemon.pid for name, node in lab.nodes.items()}
        before = cluster.wait_agreed(lab, NODES, "asr-1")
        lab.nmm.kill()

        lost = time.monotonic()
        spare.start()
        self.assertEqual(joined(lab.root, spare, "replace", self.nmm_id), self.nmm_id)
        wait_until(lambda: len(self.nodes_of(spare)) == len(NODES), "the records", 30)
        wait_until(lambda: [n["state"] == "active" and n["serial"] == 2 and n["last_heard_ns"] > 0
                            for n in self.nodes_of(spare).values()] == [True] * len(NODES),
                   "all nodes back under the next serial", 180, 0.5)
        print(f"{len(NODES)} nodes were back {time.monotonic() - lost:.1f} s after the loss")
        self.assertEqual({name: node.daemon.pid for name, node in lab.nodes.items()}, pids)
        self.assertEqual(spare.status()["nmm_id"], self.nmm_id)
        after = cluster.wait_agreed(lab, NODES, "asr-1")
        self.assertEqual(after[0], before[0], "the relationship went on")
        spare.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(lab, NODES, "asr-1", generation=before[0] + 1)

        # The old machine comes back with all that it had.
        lab.nmm.start()
        lab.nmm.akmctl("--timeout", "5", "asr", "rekey", "asr-1", check=False)
        wait_until(lambda: lab.nmm.status()["state"] == "fenced", "the old machine to be fenced", 60)
        self.assertEqual(lab.nmm.status()["root_state"], "fenced")
        self.assertTrue(found(lab.nmm, "Another machine has this NMM's place"))
        self.assertNotEqual(lab.nmm.akmctl("asr", "rekey", "asr-1", check=False).returncode, 0)
        lab.nmm.stop()
        lab.nmm.start()
        self.assertEqual(lab.nmm.status()["state"], "fenced")
        self.assertEqual(cluster.wait_agreed(lab, NODES, "asr-1")[0], before[0] + 1, "nobody heard it")
        spare.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(lab, NODES, "asr-1", generation=before[0] + 2)


if __name__ == "__main__":
    main()
