"""Daemons that have nothing to do do nothing: no wake-ups but those of timers that are due. Prints what they take.

The figures of README.md are those of `AKM_BUILD=build/release python3 tests/integration/test_idle.py`.
"""
import pathlib
import re
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab

SECONDS = 10
WINDOWS = 20  # tools/check runs test_bpf_* beside it, which use BPF for a minute or two: each use is told
ASRS = 8


def switches(pid):
    """Voluntary context switches of all threads: each is a wait that ended."""
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read_text(), re.M)[1])
               for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"))


def memory(pid):
    """KiB: resident, its share of what others map too, and what only this process has and has written."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(re.search(rf"^{name}:\s+(\d+)", rollup, re.M)[1]) for name in ("Rss", "Pss", "Private_Dirty")}


def build_type():
    cache = BUILD / "CMakeCache.txt"
    found = re.search(r"^CMAKE_BUILD_TYPE:\w+=(\w+)", cache.read_text(), re.M) if cache.exists() else None
    return found[1] if found else "unknown"


class Idle(IntegrationTest):
    def woken(self, lab):
        """The wake-ups of each host in one window."""
        before = {host.name: switches(host.daemon.pid) for host in lab.hosts}
        time.sleep(SECONDS)
        return {host.name: switches(host.daemon.pid) - before[host.name] for host in lab.hosts}

    def test_no_needless_wakeups(self):
        with Lab(BUILD, nodes=("a", "b")) as lab:
            cluster.activate_all(lab)
            for number in range(ASRS):
                cluster.create(lab, asr=f"asr-{number + 1}")
            time.sleep(8)  # grace times, repeats and the rotation of the provisioning ASRs are over
            print(f"build: {build_type()}, {ASRS} ASRs", flush=True)
            # A heartbeat and its answer may fall into a window; a ticking loop would have hundreds, in each of them.
            # What else happens to the machine (a mount, BPF use, a full page cache), and a late rotation, do not.
            restless = {host.name for host in lab.hosts}
            for _ in range(WINDOWS):
                woken = self.woken(lab)
                for host in lab.hosts:
                    taken = ", ".join(f"{name} {kib} KiB" for name, kib in memory(host.daemon.pid).items())
                    print(f"{host.name}: {woken[host.name]} wake-ups in {SECONDS} s; {taken}", flush=True)
                restless -= {name for name, count in woken.items() if count < 3 * SECONDS}
                if not restless:
                    break
            self.assertEqual(restless, set(), f"woken too often in each of {WINDOWS} windows")


if __name__ == "__main__":
    main()
