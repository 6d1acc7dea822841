"""Daemons that have nothing to do do nothing: no wake-ups but those of timers that are due."""
import pathlib
import re
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab

SECONDS = 10


def switches(pid):
    """Voluntary context switches of all threads: each is a wait that ended."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M)[1])
               for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))


def resident_kib(pid):
    return int(re.search(r"^VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1])


class Idle(IntegrationTest):
    def test_no_needless_wakeups(self):
        with Lab(BUILD, nodes=("a", "b")) as lab:
            cluster.activate_all(lab)
            cluster.create(lab)
            time.sleep(8)  # grace times, repeats and the rotation of the provisioning ASRs are over
            before = {host.name: switches(host.daemon.pid) for host in lab.hosts}
            time.sleep(SECONDS)
            for host in lab.hosts:
                woken = switches(host.daemon.pid) - before[host.name]
                print(f"{host.name}: {woken} wake-ups in {SECONDS} s, {resident_kib(host.daemon.pid)} KiB resident",
                      flush=True)
                # A heartbeat and its answer may fall into the time; a ticking loop would have hundreds.
                self.assertLess(woken, 3 * SECONDS)


if __name__ == "__main__":
    main()
