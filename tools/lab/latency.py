"""How long a breach takes from the attacker's system call to the last member's new key, and where the time goes.

    python3 -m tools.lab.latency BUILD [BUILD...] [--members N] [--rounds N] [--trace]

Five nodes (or N) and an NMM on one bridge; node c's key is read, the others get a new generation, c is readmitted,
and so on. All times are what the daemons, the bus and the kernel have written down (CLOCK_BOOTTIME); nothing is polled
meanwhile. With more than five members only c has probes and a TPM: the others are there to be given new keys.
Several builds take turns. The limit is measured in between (akm-bench path of the first build that has it): the same
datagrams and as many durable writes, by processes that do nothing else, at the daemons' scheduling priority.
--trace also prints the system calls of the daemons in the median round (needs perf).
"""
import argparse
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

from tools.lab import cluster
from tools.lab.lab import Lab, LabError, run

CALLS = ("fsync", "fdatasync", "keyctl", "sendto", "sendmsg", "io_uring_enter")
FIELD = re.compile(r' (AKM_[A-Z_]+)=("[^"]*"|\S+)')


class Log:
    """The records that a daemon has written since the last look."""

    def __init__(self, host):
        self.host, self.at = host, 0

    def skip(self):
        self.at = self.host.log.stat().st_size

    def records(self):
        with open(self.host.log, encoding="utf-8", errors="replace") as log:
            log.seek(self.at)
            return [{k: v.strip('"') for k, v in FIELD.findall(" " + line)} for line in log]

    def time_of(self, event, **fields):
        """Boottime of the first such event, in ns."""
        for record in self.records():
            if record.get("AKM_EVENT") == event and all(record.get(k) == v for k, v in fields.items()):
                return int(record["AKM_BOOTTIME_NS"])
        raise LabError(f"no {event} {fields} in {self.host.log}")


class Signals:
    """When the first signal of a breach was on the host's bus: dbus-monitor's time, which is CLOCK_REALTIME."""

    def __init__(self, host):
        self.host = host

    def __enter__(self):
        self.monitor = subprocess.Popen(["dbus-monitor", "--address", self.host.bus_address, "--profile",
                                         "type='signal',interface='org.akm.Node1',member='Event'"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        time.sleep(0.3)  # it has subscribed
        return self

    def __exit__(self, *unused):
        self.monitor.terminate()
        ahead = time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        seen = [line.split() for line in self.monitor.communicate()[0].splitlines() if line.startswith("sig")]
        self.times = [int(float(words[1]) * 10**9) - ahead for words in seen if words[-1] == "Event"]

    def first_after(self, start):
        return next((at for at in self.times if at >= start), start)


class Breach:
    """One round: the times of its stages in ns after the system call."""

    def __init__(self, lab, logs):
        self.lab, self.logs = lab, logs

    def key_serial(self, name):
        node = self.lab.nodes[name]
        asr_id = node.asr("asr-1")["id"]
        for line in run("keyctl", "list", str(node.status()["keyring"])).stdout.splitlines():
            if asr_id in line and line.rstrip().endswith(":current") and "user" in line:
                return line.split(":")[0].strip()
        raise LabError(f"{name} has no key in the keyring")

    def run(self, trace):
        names = list(self.lab.nodes)
        others = [name for name in names if name != "c"]
        before = cluster.wait_agreed(self.lab, names, "asr-1")
        serial = self.key_serial("c")
        time.sleep(1)  # acknowledgements, heartbeats and writings of the step before
        for log in self.logs.values():
            log.skip()
        with Trace(trace) as calls, Signals(self.lab.nodes["c"]) as signals:
            run("keyctl", "read", serial, check=False)
            time.sleep(0.5)
        cluster.wait_agreed(self.lab, others, "asr-1", generation=before[0] + 1)
        generation = str(before[0] + 1)
        start = self.logs["c"].time_of("breach-detected")
        switched = [self.logs[n].time_of("generation-switched", AKM_GENERATION=generation) for n in others]
        told = self.logs["nmm"].time_of("node-evicted")
        stages = {
            "keys of the breached node revoked": self.logs["c"].time_of("keys-revoked"),
            "signal on the D-Bus of that node": signals.first_after(start),
            "NMM has decided and stored": self.logs["nmm"].time_of("breach-reported"),
            "first member has the new key": min(switched),
            "last member has the new key": max(switched),
            "NMM has all answers": told,
        }
        self.lab.nmm.akmctl("readmit", "c")
        cluster.wait_agreed(self.lab, names, "asr-1", generation=before[0] + 2)
        return {k: v - start for k, v in stages.items()}, calls.lines(self.lab, start)


class Limit:
    """What the path costs bare, in us: without and with the durable writes."""

    def __init__(self, builds):
        self.program = next((b / "bin/akm-bench" for b in builds if (b / "bin/akm-bench").exists()), None)
        self.bare, self.durable = [], []

    def measure(self):
        done = run("chrt", "-r", "1", self.program, "path", check=False) if self.program else None
        found = re.search(r"bare (\d+) us, .* durably (\d+) us", done.stdout) if done else None
        if found:
            self.bare.append(int(found[1]))
            self.durable.append(int(found[2]))

    def show(self):
        for name, values in (("limit: datagrams alone", self.bare), ("limit: with the durable writes", self.durable)):
            if values:
                line(name, sorted(values))


def line(name, values):
    """`values` are sorted; with fewer than a hundred of them p99 is the last."""
    p99 = values[min(len(values) - 1, int(len(values) * 0.99))]
    print(f"{name:36} median {statistics.median(values):8.0f} us   least {values[0]:8.0f}   p99 {p99:8.0f}")


class Trace:
    """perf's view of the system calls that cost time."""

    def __init__(self, wanted):
        self.wanted, self.process = wanted, None
        self.file = pathlib.Path("/tmp/akm-latency.perf")

    def __enter__(self):
        if self.wanted:
            events = ",".join(f"syscalls:sys_{way}_{call}" for call in CALLS for way in ("enter", "exit"))
            self.process = subprocess.Popen(
                ["perf", "record", "-q", "-a", "-k", "CLOCK_MONOTONIC", "-o", self.file, "-e", events],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(1)
        return self

    def __exit__(self, *unused):
        if self.process:
            self.process.send_signal(2)
            self.process.wait()

    def lines(self, lab, start):
        if not self.process:
            return []
        names = {host.daemon.pid: host.name for host in lab.hosts}
        out = []
        text = run("perf", "script", "-i", self.file, "--ns", "-F", "tid,time,event,trace").stdout
        for tid, seconds, event in re.findall(r"^\s*(\d+)\s+([\d.]+):\s+syscalls:sys_(\w+):", text, re.M):
            whole, fraction = seconds.split(".")
            at = (int(whole) * 10**9 + int(fraction) - start) / 1000
            if int(tid) in names and -1000 < at < 200000:
                out.append(f"{at:10.0f} us  {names[int(tid)]:4} {event}")
        return out


class Contestant:
    """One build in a lab of its own."""

    def __init__(self, number, build, members):
        names = ["a", "b", "c", "d", "e", *(f"n{i}" for i in range(6, members + 1))]
        self.build, self.rounds = build, []
        self.lab = Lab(build, nodes=names, prefix=f"akm{os.getpid()}-{number}")

    def start(self):
        self.lab.nmm.overrides = {"recovery.evictions_per_window": 64}
        if len(self.lab.nodes) > 5:
            for name, node in self.lab.nodes.items():
                if name != "c":
                    node.overrides = {"probes.enabled": False, "sealing.mode": "software"}
        cluster.activate_all(self.lab)
        cluster.create(self.lab)
        self.logs = {host.name: Log(host) for host in self.lab.hosts}

    def turn(self, trace):
        self.rounds.append(Breach(self.lab, self.logs).run(trace))

    def show(self):
        print(self.build)
        self.rounds.sort(key=lambda one: one[0]["last member has the new key"])
        for stage in self.rounds[0][0]:
            line(stage, sorted(one[0][stage] / 1000 for one in self.rounds))
        for call in self.rounds[len(self.rounds) // 2][1]:
            print(call)


def main():
    parser = argparse.ArgumentParser(prog="tools.lab.latency", description=__doc__.splitlines()[0])
    parser.add_argument("builds", type=pathlib.Path, nargs="+")
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--trace", action="store_true")
    arguments = parser.parse_args()
    limit = Limit(arguments.builds)
    contestants = [Contestant(number, build.resolve(), arguments.members)
                   for number, build in enumerate(arguments.builds)]
    with contextlib.ExitStack() as labs:
        for one in contestants:
            labs.enter_context(one.lab)
            one.start()
        for _ in range(arguments.rounds):
            for one in contestants:
                one.turn(arguments.trace)
            limit.measure()
    for one in contestants:
        one.show()
    limit.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
