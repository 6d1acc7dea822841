"""What a flood costs an NMM, with and without the gate on its port (docs/performance.md, P9).

    python3 -m tools.lab.flood BUILD [--rate N] [--rounds N] [--seconds S] [--kinds garbage,unknown,...]

Two nodes, one ASR, one machine that floods. New generations are made one after the other, and counted: quiet, under the
flood with the gate, under the flood without it, in turns. Printed are medians, as ratios to the quiet ones, and the
processor time of akm-nmmd. The sender has one processor and the others share another, as if it were another machine;
what the kernel does for a datagram at its arrival falls on the sender's. The last line of a kind is the same flood at a
port of the NMM's host that nobody has, which is what no gate at the receiver can give back.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import time

from tools.lab import cluster
from tools.lab.lab import Lab, run

QUIET, NOWHERE = "quiet", "at another port"
OURS, SENDERS = 0, 1  # processors


def processor_seconds(pid):
    """Of all its threads, so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bench:
    def __init__(self, lab, options):
        self.lab, self.options = lab, options
        self.outsider = lab.nodes["c"]
        cluster.activate_all(lab, without=["c"])
        cluster.create(lab, names=["a", "b"])
        self.asr_id = cluster.provisioning_id(lab.nodes["a"])

    def gate(self, on):
        """The NMM starts anew with it, or without it."""
        self.lab.nmm.stop()
        self.lab.nmm.overrides["gate.enabled"] = on
        self.lab.nmm.start()
        self.generations(1.0)  # its nodes have been heard

    def generations(self, seconds):
        """How many a second, one after the other."""
        begin, count = time.monotonic(), 0
        while time.monotonic() - begin < seconds:
            self.lab.nmm.akmctl("asr", "rekey", "asr-1")
            count += 1
        return count / (time.monotonic() - begin)

    def under(self, kind, port):
        lab, options = self.lab, self.options
        flood = subprocess.Popen(
            lab.inside(self.outsider.namespace, "taskset", "-c", SENDERS, lab.program("udp_flood"), lab.nmm.address,
                       port, options.rate, options.seconds + 1, kind, self.asr_id), stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        before = processor_seconds(lab.nmm.daemon.pid)
        rate = self.generations(options.seconds)
        used = (processor_seconds(lab.nmm.daemon.pid) - before) / options.seconds
        sent = int(flood.communicate()[0])
        return rate, used, sent / (options.seconds + 1)


def measure(bench, kind, results, sent):
    """One round of one kind; the NMM is started anew twice."""
    port = bench.lab.nmm.port
    for on in (True, False):
        bench.gate(on)
        name = "with gate" if on else "without"
        results.setdefault((kind, QUIET, name), []).append(bench.generations(bench.options.seconds))
        rate, used, of_flood = bench.under(kind, port)
        results.setdefault((kind, name), []).append(rate)
        results.setdefault((kind, name, "used"), []).append(used)
        sent.append(of_flood)
        if on:
            results.setdefault((kind, NOWHERE), []).append(bench.under(kind, port + 1)[0])


def show(kinds, results, sent):
    print(f"flood: {statistics.median(sent):,.0f} datagrams a second (median)")
    for kind in kinds:
        def median(*key):
            return statistics.median(results[(kind, *key)])
        for name in ("with gate", "without"):
            quiet = median(QUIET, name)
            print(f"{kind:8} {name:15} {median(name):6.1f} generations a second, quiet {quiet:6.1f}: "
                  f"{median(name) / quiet:.2f}; akm-nmmd takes {median(name, 'used'):.0%} of a processor")
        print(f"{kind:8} {NOWHERE:15} {median(NOWHERE):6.1f}: {median(NOWHERE) / median(QUIET, 'with gate'):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--rate", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--kinds", default="garbage,unknown,forged,spoofed")
    options = parser.parse_args()
    kinds = options.kinds.split(",")
    results, sent = {}, []
    os.sched_setaffinity(0, {OURS})  # what it starts has it too
    with Lab(options.build, nodes=("a", "b", "c")) as lab:
        bench = Bench(lab, options)
        print(run("uname", "-r").stdout.strip(), lab.nodes["a"].status()["probes"].get("D26, D27"), flush=True)
        for _ in range(options.rounds):
            for kind in kinds:
                measure(bench, kind, results, sent)
    show(kinds, results, sent)


if __name__ == "__main__":
    main()
