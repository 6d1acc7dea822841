"""kill -9 at any time loses no membership and reuses no (key, nonce)."""
import collections
import os
import random
import subprocess
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab

KILLS = int(os.environ.get("AKM_KILLS", "200"))
SEED = int(os.environ.get("AKM_SEED", str(random.randrange(1 << 32))))


class Kill9(IntegrationTest):
    def test_kills_at_random_while_rekeying(self):
        print(f"AKM_SEED={SEED} AKM_KILLS={KILLS}", flush=True)
        chance = random.Random(SEED)
        with Lab(BUILD) as lab:
            lab.start_capture()
            cluster.activate_all(lab)
            first = cluster.create(lab, rekey_interval_s=1, nnrt_ms=500, nset_ms=1000, grace_ms=500)
            names = list(lab.nodes)
            for _ in range(KILLS):
                # One in ten hits the NMM; the rest hit a member, sometimes two at once.
                victims = [lab.nmm] if chance.random() < 0.1 else [
                    lab.nodes[n] for n in chance.sample(names, 2 if chance.random() < 0.2 else 1)]
                for host in victims:
                    self.ask_for_rekey(lab.nodes[names[0]])
                    time.sleep(chance.random() * 0.05)
                    host.kill()
                for host in victims:
                    host.start()
            # Five views in a row see one epoch only if it lasts longer than they take.
            lab.nmm.akmctl("asr", "set", "asr-1", "rekey_interval_s=3600")
            key = cluster.wait_agreed(lab, names, "asr-1", seconds=120)
            self.assertGreaterEqual(key[0], first[0])
            self.assertTrue(key[0] > first[0] or key[1] > first[1], f"no session was agreed on: {first} -> {key}")
            # And the group is alive: one more epoch, on request. A first attempt may fail: a member that has stored the
            # candidate of a later target, whose attempt the kills broke off, joins nothing below it.
            lab.nodes["b"].akmctl("asr", "rekey", "asr-1", check=False)
            cluster.wait_agreed(lab, names, "asr-1", epoch=key[1] + 1)
            self.assertEqual({n["state"] for n in lab.nmm.json("nmm", "nodes")}, {"active"})
            self.check_nonces(lab)

    def ask_for_rekey(self, node):
        """Not waited for: the kill is to come in the middle."""
        asked = subprocess.Popen(node.akmctl_argv("asr", "rekey", "asr-1"), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        node.lab.processes.append(asked)

    def check_nonces(self, lab):
        """No (asr, generation, chain, epoch, index, incarnation, salt, sequence) twice on the bridge."""
        frames = lab.captured()
        self.assertGreater(len(frames), 1000)
        seen = collections.defaultdict(set)
        for frame in frames:
            seen[frame.nonce()].add(frame.bytes)
        # The star's and the mesh's frames to several members are different frames; an identical copy is a repeat too.
        counts = collections.Counter(frame.nonce() for frame in frames)
        repeated = [nonce for nonce, count in counts.items() if count > 1]
        self.assertEqual(repeated, [], f"{len(repeated)} repeated of {len(counts)}; with other content: "
                         f"{sum(len(seen[n]) > 1 for n in repeated)}")
        print(f"{len(frames)} frames, no (key, nonce) twice", flush=True)


if __name__ == "__main__":
    main()
