"""What each watched class leads to, on real daemons: D1, D2 and D10, and what harmless tools do not lead to."""
import ctypes
import os
import pathlib
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until

PTRACE_ATTACH, PTRACE_DETACH = 16, 17


def read_key(node):
    asr_id = node.asr("asr-1")["id"]
    listing = run("keyctl", "list", str(node.status()["keyring"])).stdout
    serial = next(line.split(":")[0].strip() for line in listing.splitlines()
                  if asr_id in line and line.endswith(":current"))
    run("keyctl", "read", serial, check=False)


def open_memory(node):
    with open(f"/proc/{node.daemon.pid}/mem", "rb"):
        pass


def attach(node):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_ATTACH, node.daemon.pid, 0, 0) == 0:
        os.waitpid(node.daemon.pid, 0)
        libc.ptrace(PTRACE_DETACH, node.daemon.pid, 0, 0)


def rewrite_record(node):
    record = sorted((node.state / "records").iterdir())[0]
    record.write_bytes(record.read_bytes())


CRITICAL = {"a": ("key-access", read_key), "b": ("process-access", open_memory), "c": ("process-access", attach),
            "d": ("state-tampering", rewrite_record)}


class Detections(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b", "c", "d", "e", "f", "g"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        cluster.activate_all(self.lab)
        self.key = cluster.create(self.lab)

    def states(self):
        return {name: node.status()["state"] for name, node in self.lab.nodes.items()}

    def test_harmless_then_critical_then_evidence(self):
        nodes = self.lab.nodes
        for node in nodes.values():
            pathlib.Path(f"/proc/{node.daemon.pid}/status").read_text()
            os.listdir(f"/proc/{node.daemon.pid}/fd")
            run("ls", "-laR", node.state)
            run("stat", node.config)
            run("keyctl", "list", node.status()["keyring"])
        time.sleep(6)  # a heartbeat of the probes: what waited in the ring is read then
        self.assertEqual(set(self.states().values()), {"active"})

        for name, (detection, attack) in CRITICAL.items():
            attack(nodes[name])
            wait_until(lambda name=name: nodes[name].status()["state"] == "quarantined", f"{name} after {detection}",
                       60)
            self.assertIn(f"AKM_CLASS={detection}", nodes[name].log.read_text())
            self.assertIsNone(nodes[name].asr("asr-1"), "it holds no key any more")
        left = [name for name in nodes if name not in CRITICAL]
        cluster.wait_agreed(self.lab, left, "asr-1", generation=self.key[0] + len(CRITICAL))
        listed = {node["name"]: node["state"] for node in self.lab.nmm.json("nmm", "nodes")}
        self.assertEqual(listed, {name: "quarantined" if name in CRITICAL else "active" for name in nodes})

        config = nodes["e"].config
        config.write_text(config.read_text() + "\n# changed\n")
        wait_until(lambda: nodes["e"].status()["counters"].get("detections_evidence"), "evidence on e", 60)
        self.assertEqual(self.states()["e"], "active", "evidence costs no membership")

        # Quarantine holds over a kill -9, and only the operator ends it.
        nodes["a"].kill()
        nodes["a"].start()
        self.assertEqual(self.states()["a"], "quarantined")
        self.lab.nmm.akmctl("readmit", "a")
        wait_until(lambda: self.states()["a"] == "active", "a is back", 60)
        cluster.wait_agreed(self.lab, [*left, "a"], "asr-1")


if __name__ == "__main__":
    main()
