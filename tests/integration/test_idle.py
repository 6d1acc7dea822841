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
WINDOWS = 6
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


def seen(host):
    """What its sensor has recorded of this machine."""
    return host.status()["counters"]["probe_made"]


class Idle(IntegrationTest):
    def woken(self, lab):
        """The wake-ups of each host in each second of a window."""
        counts = {host.name: [] for host in lab.hosts}
        for _ in range(SECONDS):
            before = {host.name: switches(host.daemon.pid) for host in lab.hosts}
            time.sleep(1)
            for host in lab.hosts:
                counts[host.name].append(switches(host.daemon.pid) - before[host.name])
        return counts

    def test_no_needless_wakeups(self):
        with Lab(BUILD, nodes=("a", "b")) as lab:
            cluster.activate_all(lab)
            for number in range(ASRS):
                cluster.create(lab, asr=f"asr-{number + 1}")
            time.sleep(8)  # grace times, repeats and the rotation of the provisioning ASRs are over
            print(f"build: {build_type()}, {ASRS} ASRs", flush=True)
            # A heartbeat and its answer may fall into a window, a late rotation or somebody's mount; a ticking loop
            # would have hundreds, in each. tools/check runs tests meanwhile that the sensors see without end: who is
            # woken by these still sleeps for a second now and then, and no ticking loop does.
            restless = {host.name for host in lab.hosts}
            for _ in range(WINDOWS):
                before = {host.name: seen(host) for host in lab.hosts}
                counts = self.woken(lab)
                others = {host.name for host in lab.hosts if seen(host) != before[host.name]}
                for host in lab.hosts:
                    each = counts[host.name]
                    taken = ", ".join(f"{name} {kib} KiB" for name, kib in memory(host.daemon.pid).items())
                    print(f"{host.name}: {sum(each)} wake-ups in {SECONDS} s; {taken}", flush=True)
                    if sum(each) < 3 * SECONDS or host.name in others and min(each) == 0:
                        restless.discard(host.name)
                if not restless:
                    break
            self.assertFalse(restless, f"woken too often in each of {WINDOWS} windows: {counts}")


if __name__ == "__main__":
    main()
