"""An outsider's frames change nothing but counters, and the group rekeys meanwhile."""
import os
import random
from concurrent import futures

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

TOTAL = int(os.environ.get("AKM_FRAMES", "100000"))
LOT = 2000  # a socket has room for these while the daemon waits for its disk


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

    def refuse(self, lab, node, datagrams):
        """Injects them, in lots, and waits until each was refused."""
        count = sum(self.refusals(node).values())
        for at in range(0, len(datagrams), LOT):
            lot = datagrams[at:at + LOT]
            count += len(lot)
            lab.inject(lab.nmm, node, lot)
            wait_until(lambda: sum(self.refusals(node).values()) >= count, f"{count} refused", 120)

    def test_outsider(self):
        chance = random.Random(7)
        with Lab(BUILD) as lab:
            for host in lab.hosts:  # test_gate has the other half: here all of it is to reach the engine
                host.overrides["gate.enabled"] = False
            lab.start_capture()
            cluster.activate_all(lab)
            before = cluster.create(lab, nset_ms=20000)
            names = list(lab.nodes)
            a = lab.nodes["a"]
            a.akmctl("asr", "rekey", "asr-1")
            before = cluster.wait_agreed(lab, names, "asr-1", epoch=before[1] + 1)
            asr = int(a.asr("asr-1")["id"], 16)

            def of_this_epoch():
                return [f.bytes for f in lab.captured(target="a") if f.nonce()[0] == asr and f.nonce()[3] == before[1]]
            # tcpdump gets packets from the kernel in batches.
            current = wait_until(of_this_epoch, "captured frames of this epoch")
            recorded = [f.bytes for f in lab.captured(target="a")]
            refused = self.refusals(a)
            self.refuse(lab, a, current)  # while it is this epoch
            datagrams = hostile(chance, recorded, TOTAL)
            with futures.ThreadPoolExecutor(1) as attackers:
                attack = attackers.submit(self.refuse, lab, a, datagrams)
                epoch = before[1]
                while not attack.done():
                    lab.nodes["b"].akmctl("asr", "rekey", "asr-1", check=False)
                    epoch = cluster.wait_agreed(lab, names, "asr-1", generation=before[0], epoch=epoch + 1)[1]
                attack.result()
            after = self.refusals(a)
            grown = {k.removeprefix("refused_"): v - refused.get(k, 0) for k, v in after.items()
                     if v > refused.get(k, 0)}
            print(f"{epoch - before[1]} rekeys meanwhile; refused: {grown}", flush=True)
            self.assertGreater(epoch, before[1])
            self.assertGreaterEqual(sum(grown.values()), TOTAL)
            for reason in ("too_short", "bad_version", "unknown_asr", "unknown_epoch", "not_authentic", "replayed"):
                self.assertIn(reason, grown)
            self.assertEqual(cluster.agreed(lab, names, "asr-1")[0], before[0], "nobody was evicted")
            self.assertEqual({n["state"] for n in lab.nmm.json("nmm", "nodes")}, {"active"})


if __name__ == "__main__":
    main()
