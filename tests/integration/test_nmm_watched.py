"""A breach of the NMM's own machine: akm-nmmd runs the sensor that akmd runs. Who reads its memory or writes into its
state is told on D-Bus, in an incident and to the Root; every key is replaced. Daemons and honest tools are silent."""
import json
import os
import pathlib
import time

from support import BUILD, IntegrationTest, main
from test_detections import attach, open_memory, rewrite_record
from tools.lab import cluster
from tools.lab.demo import Watcher
from tools.lab.lab import Lab, run, wait_until

ATTACKS = (("process-access", open_memory), ("process-access", attach), ("state-tampering", rewrite_record))


class NmmWatched(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b"), root=True)
        self.lab.__enter__()
        self.addCleanup(lambda: self.watcher.process.stdout.close())  # when the lab has ended the process
        self.addCleanup(self.lab.close)
        self.root, self.nmm, self.nodes = self.lab.root, self.lab.nmm, self.lab.nodes
        for host in (self.root, self.nmm):
            host.start()
        self.join()
        for name, node in self.nodes.items():
            node.start()
            self.nmm.akmctl("nmm", "provision", name, "--bus-address", node.bus_address, "--endpoint", node.endpoint)
        wait_until(lambda: all(node.status()["state"] == "active" for node in self.nodes.values()), "the nodes", 60)
        self.key = cluster.create(self.lab)
        self.watcher = Watcher(self.nmm)

    def join(self):
        self.root.akmctl("root", "init")
        folder = self.lab.folder / "usb"
        folder.mkdir()
        value = self.nmm.json("nmm", "identity")["value"]
        made = self.root.json("root", "nmm", "prepare", "nmm", "--hardware-value", value, "--to", str(folder))
        self.nmm.akmctl("nmm", "join", str(folder), "--code-file", "-", stdin=made["code"] + "\n")
        wait_until(lambda: (self.nmm.status() or {}).get("root_state") == "reached", "the Root", 30)
        wait_until(lambda: self.nmm.status()["state"] == "ready", "its secret", 30)

    def provisioning_epoch(self, name):
        return self.nodes[name].asr(cluster.provisioning_id(self.nodes[name]))["epoch"]

    def told_to_root(self, detection):
        return [one for one in self.root.json("root", "incidents")
                if one["name"] == "machine-critical" and one["fields"].get("class") == detection]

    def test_harmless_then_critical(self):
        status = self.nmm.status()
        self.assertTrue(any(row[0].startswith("D2") if isinstance(row, list) else row.startswith("D2")
                            for row in status["probes"]), status["probes"])
        self.assertIn("Probes on this machine", self.nmm.akmctl("nmm", "status").stdout)
        pid = self.nmm.daemon.pid
        pathlib.Path(f"/proc/{pid}/status").read_text()
        os.listdir(f"/proc/{pid}/fd")
        run("ls", "-laR", self.nmm.state)
        run("stat", self.nmm.config)
        time.sleep(6)  # a heartbeat of the probes: what waited in the ring is read then
        self.assertNotIn("detections_critical", self.nmm.status()["counters"])
        # The daemons of one machine load BPF programs: no news to each other.
        for host in (self.nmm, *self.nodes.values()):
            for line in host.log.read_text().splitlines():
                ours = f"AKM_EXECUTABLE={self.lab.build}/bin/akm" in line
                self.assertFalse(ours and "AKM_CLASS=bpf-use" in line and "AKM_GRADE=evidence" in line, line)

        epoch = self.provisioning_epoch("a")
        for detection, attack in ATTACKS:
            seen = len(self.watcher.events)
            attack(self.nmm)
            told = wait_until(lambda seen=seen, detection=detection: next(
                (event for event in self.watcher.events[seen:] if event["name"] == "machine-critical" and
                 event["fields"]["class"] == detection), None), f"{detection} by {attack.__name__} on D-Bus", 10)
            incident = told["fields"]["incident"]
            self.assertIn(incident, [one["id"] for one in self.incidents()])
        cluster.wait_agreed(self.lab, list(self.nodes), "asr-1", generation=self.key[0] + 1)
        self.assertGreater(self.provisioning_epoch("a"), epoch, "new session keys between node and NMM too")
        self.watcher.wait("machine-keys-replaced")
        for detection in ("process-access", "state-tampering"):
            wait_until(lambda detection=detection: self.told_to_root(detection), f"{detection} at the Root", 15)
        self.assertEqual({node["state"] for node in self.nmm.json("nmm", "nodes")}, {"active"})

    def incidents(self):
        """One JSON object a line."""
        lines = self.nmm.akmctl("--json", "incident", "list").stdout.splitlines()
        return [json.loads(line) for line in lines if line]


if __name__ == "__main__":
    main()
