"""A wall clock at 1970, beyond 2038, and one that jumps: nothing depends on it. What expires is counted in the
time that the NMM's machine runs."""
import calendar
import itertools
import pathlib
import re
import struct
import time
import unittest

from support import BUILD, HASTY, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until

TIMES = HASTY | {"rekey_interval_s": 2}
LIFE_S = 3600


class WallClock:
    """The wall clock of one host."""

    def __init__(self, host):
        self.path = host.folder / "wall-clock"
        self.path.write_bytes(bytes(8))
        host.overrides["log.file"] = str(host.log)  # whoever writes a file says the time in each line
        # A sanitizer's library would want to be the first.
        host.environment |= {"LD_PRELOAD": str(pathlib.Path(BUILD).resolve() / "bin" / "wall_clock.so"),
                             "AKM_WALL_CLOCK": str(self.path), "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def set(self, unix_time):
        with open(self.path, "r+b") as out:
            out.write(struct.pack("=q", int(unix_time - time.time())))


def middle_of(year):
    return calendar.timegm((year, 7, 1, 0, 0, 0))


def years(host):
    """The years in the lines of its log, as its daemon sees the wall clock; each run of one year is one."""
    found = map(int, re.findall(r" TIME=(\d+)-", host.log.read_text()))
    return [year for year, _ in itertools.groupby(found)]


class Clock(IntegrationTest):
    needed = ("unshare",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not pathlib.Path("/proc/self/ns/time").exists():
            raise unittest.SkipTest("a kernel without time namespaces")

    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b", "late"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm = self.lab.nmm
        self.late = self.lab.nodes.pop("late")
        self.nmm.overrides |= {"nmm.bundle_expiry_s": LIFE_S, "policy.heartbeat_interval_s": 1}
        self.clocks = {host.name: WallClock(host) for host in (self.nmm, *self.lab.nodes.values())}

    def rekeyed_twice(self):
        """By their own interval."""
        epoch = cluster.wait_agreed(self.lab, "ab", "asr-1")[1]
        cluster.wait_agreed(self.lab, "ab", "asr-1", epoch=epoch + 2)

    def test_wrong_wall_clocks(self):
        self.clocks["nmm"].set(0)
        self.clocks["a"].set(middle_of(2040))
        self.clocks["b"].set(1 << 31)
        cluster.activate_all(self.lab)
        cluster.create(self.lab, "asr-1", "ab", **TIMES)
        self.rekeyed_twice()
        a, b = self.lab.nodes["a"], self.lab.nodes["b"]
        self.assertEqual([years(host) for host in (self.nmm, a, b)], [[1970], [2040], [2038]])
        # They jump while they run.
        self.clocks["nmm"].set(middle_of(2060))
        self.clocks["a"].set(0)
        self.clocks["b"].set(middle_of(1975))
        self.rekeyed_twice()
        generation = cluster.wait_agreed(self.lab, "ab", "asr-1")[0]
        self.nmm.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(self.lab, "ab", "asr-1", generation=generation + 1)
        self.assertEqual([years(host) for host in (self.nmm, a, b)], [[1970, 2060], [2040, 1970], [2038, 1975]])
        self.clocks["nmm"].set(middle_of(1990))
        self.log_goes_on()
        self.bundle()

    def log_goes_on(self):
        """An event is logged, with the time since boot."""
        a = self.lab.nodes["a"]
        before = a.log.stat().st_size
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        run("touch", a.etc / "akmd.toml.d")  # evidence: a file of the configuration's folder
        line = wait_until(lambda: [line for line in a.log.read_text()[before:].splitlines()
                                   if "config-tampering" in line], "what was detected is logged")[0]
        stamp = int(line.split("AKM_BOOTTIME_NS=")[1].split()[0])
        self.assertLess(abs(stamp - now_ns), 60e9)
        self.assertEqual(a.status()["state"], "active")

    def bundle(self):
        """Made under a clock at 1990, it is good at 2060, and no more when the machine has run for too long."""
        late, nmm = self.late, self.nmm
        late.overrides["activation.automatic"] = False
        late.start()
        self.lab.nodes["late"] = late
        nmm.akmctl("nmm", "provision", "late", "--bus-address", late.bus_address, "--endpoint", late.endpoint)
        self.clocks["nmm"].set(middle_of(2060))
        nmm.stop()
        nmm.wrapper = ["unshare", "--time", "--boottime", str(LIFE_S + 60), "--fork", "--kill-child"]
        nmm.start()
        refused = late.akmctl("--timeout", "30", "node", "activate", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("AKM_REASON=\"the bundle has expired\"", nmm.log.read_text())
        nmm.kill()  # unshare passes no other signal on
        nmm.wrapper = []
        # What was counted stays counted; another bundle helps.
        nmm.start()
        late.akmctl("node", "zeroize", "--yes")
        nmm.akmctl("nmm", "provision", "late", "--bus-address", late.bus_address, "--endpoint", late.endpoint)
        late.akmctl("--timeout", "30", "node", "activate")
        self.assertEqual(late.status()["state"], "active")


if __name__ == "__main__":
    main()
