"""What a policy remembers outlives kill -9 at any time: a limit holds over all starts of the daemon, and a record that
the pinned sensor shows again is answered once."""
import os
import pathlib
import random
import shutil
import time

from support import BUILD, IntegrationTest, main
import test_daemon_attacked
from test_detections import read_key
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

SEED = int(os.environ.get("AKM_SEED", str(random.randrange(1 << 32))))
LIMIT, ATTACKS = 3, 6
POLICY = """[responses.key-access]
on_critical = ["hook", "log"]
limit_count = {limit}
limit_window_s = 3600
[hook]
program = "{hook}"
"""


class Remembered(IntegrationTest):
    def test_kills_give_nothing_back(self):
        print(f"AKM_SEED={SEED}", flush=True)
        chance = random.Random(SEED)
        # A hook is run where root alone may write.
        place = pathlib.Path(f"/run/akm-remembered-{os.getpid()}")
        place.mkdir(mode=0o700)
        self.addCleanup(shutil.rmtree, place)
        answers, hook = place / "answers", place / "hook"
        answers.touch()
        hook.write_text(f'#!/bin/sh\necho "$AKM_BOOTTIME_NS" >>{answers}\n')
        hook.chmod(0o700)
        with Lab(BUILD, nodes=("a", "b")) as lab:
            node = lab.nodes["a"]
            pins = test_daemon_attacked.BPFFS / f"{lab.prefix}-a"
            self.addCleanup(test_daemon_attacked.DaemonAttacked.remove_pins, pins)
            policy = node.folder / "policy.toml"
            policy.write_text(POLICY.format(limit=LIMIT, hook=hook))
            node.overrides = {"policy.file": str(policy), "probes.pin_folder": str(pins), "probes.check_interval_s": 1}
            cluster.activate_all(lab)
            cluster.create(lab)
            read_key(node)
            wait_until(answers.read_text, "the first answer")  # of the others each may be lost with its daemon
            for _ in range(ATTACKS):
                read_key(node)
                time.sleep(chance.random() * 0.03)
                node.kill()
                node.start()
                wait_until(lambda: node.asr("asr-1"), "the relationship again")
            read_key(node)
            wait_until(lambda: "AKM_REASON" in node.log.read_text() or answers.read_text(), "an answer", 5)
            time.sleep(1)
            done = answers.read_text().split()
            print(f"{ATTACKS} kills, {len(done)} answers", flush=True)
            self.assertEqual(len(done), len(set(done)), "no record is answered twice")
            self.assertGreater(len(done), 0)
            self.assertLessEqual(len(done), LIMIT, "and no limit is given back")


if __name__ == "__main__":
    main()
