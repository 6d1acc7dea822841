"""Floods at a node and at the NMM while their ASR rekeys: the gate drops them, nobody is evicted, the counts add up."""
import subprocess
import time

from support import BUILD, IntegrationTest, found, main
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until

RATE, SECONDS = 20000, 2
# A second, and a second's in advance, of a source that nobody vouches for and of all of them: the defaults of gate.*.
OF_SOURCE, OF_ALL = 200, 5000


def gate_counters(host):
    return {k: v for k, v in host.status()["counters"].items() if k.startswith("gate_") or k == "frames_received"}


def settled(host):
    """The counters when nothing waits before the gate or before the daemon any more."""
    def twice():
        first = gate_counters(host)
        time.sleep(0.3)
        return first if first == gate_counters(host) else None
    return wait_until(twice, f"a quiet moment of {host.name}", 60)


class Gate(IntegrationTest):
    def flood(self, lab, source, kind, asr_id, targets):
        """Starts one flood at each target; the result waits for them and says how many datagrams each got."""
        running = [subprocess.Popen(lab.inside(source.namespace, lab.program("udp_flood"), target.address, target.port,
                                               RATE, SECONDS, kind, asr_id, RATE * SECONDS),
                                    stdout=subprocess.PIPE, text=True)
                   for target in targets]
        return lambda: [int(one.communicate()[0]) for one in running]

    def test_floods(self):
        with Lab(BUILD, nodes=("a", "b", "c")) as lab:
            for host in lab.hosts:  # else a run of datagrams (UDP GSO) is one packet at the gate
                run("ip", "-n", host.namespace, "link", "set", "eth0", "gso_max_segs", "1")
            outsider = lab.nodes["c"]
            cluster.activate_all(lab, without=["c"])
            generation, epoch, _ = cluster.create(lab, names=["a", "b"])
            a, b = lab.nodes["a"], lab.nodes["b"]
            gate = a.status()["probes"]["D26, D27"]
            print(f"the gate of a: {gate}", flush=True)
            self.assertIn("eth0: ", gate)
            self.assertEqual(found(a, "gate") + found(lab.nmm, "gate"), [])
            self.assertEqual(a.status()["counters"]["gate_known_ids"], 2)
            self.assertEqual(lab.nmm.status()["counters"]["gate_known_ids"], 2)
            self.assertEqual(lab.nmm.status()["counters"]["gate_interfaces"], 1)
            targets = (a, lab.nmm)
            shared = cluster.provisioning_id(a)  # known to both
            for kind in ("garbage", "unknown", "forged", "spoofed"):
                before = [settled(host) for host in targets]
                began = time.monotonic()
                sent = self.flood(lab, outsider, kind, shared, targets)
                a.akmctl("asr", "rekey", "asr-1", check=False)  # an attempt that fails is followed by another one
                cluster.wait_agreed(lab, ["a", "b"], "asr-1", generation=generation, epoch=epoch + 1)
                lab.nmm.akmctl("asr", "rekey", "asr-1")
                generation, epoch, _ = cluster.wait_agreed(lab, ["a", "b"], "asr-1", generation=generation + 1)
                counts = sent()
                most = (OF_SOURCE if kind == "forged" else OF_ALL) * (1 + time.monotonic() - began)
                for host, before_it, count in zip(targets, before, counts):
                    ways = {k: v - before_it[k] for k, v in settled(host).items()}
                    print(f"{kind} at {host.name}: {count} sent, {ways}", flush=True)
                    # Members and NMM are vouched for: all else is the flood, each datagram on one way.
                    passed = ways["gate_passed_other"]
                    self.assertEqual(passed + sum(v for k, v in ways.items() if k.startswith("gate_dropped_")), count)
                    self.assertGreater(ways["gate_passed_vouched"], 0)
                    self.assertEqual(ways["gate_passed_open"], 0)
                    if kind in ("garbage", "unknown"):
                        self.assertLess(passed, 5)
                    else:
                        self.assertLess(passed, most)
                    self.assertLessEqual(ways["frames_received"], passed + ways["gate_passed_vouched"])
            self.assertEqual({n["state"] for n in lab.nmm.json("nmm", "nodes")}, {"active"})

            # A daemon that was killed leaves no gate behind that does not know what its successor knows.
            a.kill()
            a.start()
            wait_until(lambda: "eth0: " in a.status()["probes"].get("D26, D27", ""), "the gate hangs again")
            b.akmctl("asr", "rekey", "asr-1", check=False)
            cluster.wait_agreed(lab, ["a", "b"], "asr-1", epoch=epoch + 1)

            # What is erased is unknown from then on.
            lab.nmm.akmctl("asr", "delete", "asr-1", "--yes")
            wait_until(lambda: a.status()["counters"]["gate_known_ids"] == 1, "the gate forgets the relationship")


if __name__ == "__main__":
    main()
