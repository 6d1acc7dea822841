"""An outsider's frames change nothing but counters, and the group rekeys meanwhile."""
import os
import random
import threading

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

TOTAL = int(os.environ.get("AKM_FRAMES", "100000"))


def hostile(chance, recorded, count):
    """Garbage, truncated, replayed and bit-flipped datagrams, a quarter each."""
    out = []
    for i in range(count):
        frame = bytearray(chance.choice(recorded))
        match i % 4:
            case 0:
                out.append(chance.randbytes(chance.randrange(1, 1200)))
            case 1:
                out.append(bytes(frame[:chance.randrange(1, len(frame))]))
            case 2:
                out.append(bytes(frame))
            case _:
                frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
                out.append(bytes(frame))
    return out


class HostileFrames(IntegrationTest):
    def refusals(self, node):
        return {k: v for k, v in node.status()["counters"].items() if k.startswith("refused_")}

    def test_outsider(self):
        chance = random.Random(7)
        with Lab(BUILD) as lab:
            for host in lab.hosts:  # test_gate has the other half: here all of it is to reach the engine
                host.overrides["gate.enabled"] = False
            lab.start_capture()
            cluster.activate_all(lab)
            before = cluster.create(lab)
            names = list(lab.nodes)
            a = lab.nodes["a"]
            a.akmctl("asr", "rekey", "asr-1")
            before = cluster.wait_agreed(lab, names, "asr-1", epoch=before[1] + 1)
            # tcpdump gets packets from the kernel in batches.
            recorded = [f.bytes for f in wait_until(lambda: lab.captured(target="a"), "captured frames")]
            refused = self.refusals(a)
            datagrams = hostile(chance, recorded, TOTAL)
            attacker = threading.Thread(target=lab.inject, args=(lab.nmm, a, datagrams))
            attacker.start()
            epoch = before[1]
            while attacker.is_alive():
                lab.nodes["b"].akmctl("asr", "rekey", "asr-1")
                epoch += 1
                cluster.wait_agreed(lab, names, "asr-1", generation=before[0], epoch=epoch)
            attacker.join()
            after = self.refusals(a)
            grown = {k.removeprefix("refused_"): v - refused.get(k, 0) for k, v in after.items()
                     if v > refused.get(k, 0)}
            print(f"{epoch - before[1]} rekeys meanwhile; refused: {grown}", flush=True)
            self.assertGreater(epoch, before[1])
            # A socket buffer may drop some, and then the daemon has never seen them; most must have arrived.
            self.assertGreater(sum(grown.values()), TOTAL * 0.5)
            for reason in ("too_short", "bad_version", "unknown_asr", "unknown_epoch", "not_authentic", "replayed"):
                self.assertIn(reason, grown)
            self.assertEqual(cluster.agreed(lab, names, "asr-1")[0], before[0], "nobody was evicted")
            self.assertEqual({n["state"] for n in lab.nmm.json("nmm", "nodes")}, {"active"})


if __name__ == "__main__":
    main()
