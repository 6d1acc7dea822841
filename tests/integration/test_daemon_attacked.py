"""Attacks on the daemon itself: each is done to a real akmd, and somebody notices. Prints who and how fast; with
AKM_TABLE the same goes to that file, as docs/detections.md has it."""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import time

from support import BPFFS, BUILD, HASTY_NMM, IntegrationTest, main
from tools.lab import cluster
from tools.lab.demo import Watcher
from tools.lab.lab import Lab, LabError, run, wait_until

SYS_BPF = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine)
BPF_LINK_GET_FD_BY_ID, BPF_LINK_DETACH = 30, 34
UNWATCHED_S = 14  # three checks of a second, and ten


def bpf(command, number):
    """bpf(2) with an argument that is one number."""
    libc = ctypes.CDLL(None, use_errno=True)
    argument = (ctypes.c_uint32 * 32)(number)
    return libc.syscall(SYS_BPF, command, argument, 16)


class DaemonAttacked(IntegrationTest):
    needed = ("bpftool",)

    def setUp(self):
        if SYS_BPF is None or not BPFFS.is_mount():
            self.skipTest("no bpffs is mounted")
        self.undo = contextlib.ExitStack()
        self.addCleanup(self.undo.close)
        self.watchers = {}
        self.undo.callback(lambda: [one.process.stdout.close() for one in self.watchers.values()])  # after the lab
        self.lab = self.undo.enter_context(Lab(BUILD, nodes=tuple("abcdefg")))
        self.rows = []
        self.lab.nmm.overrides = dict(HASTY_NMM)
        for node in self.lab.nodes.values():
            pins = BPFFS / f"{self.lab.prefix}-{node.name}"
            self.undo.callback(self.remove_pins, pins)
            node.overrides = {"probes.pin_folder": str(pins), "probes.check_interval_s": 1,
                              "watch.interval_s": 5}
            # A program file of its own, that can be replaced.
            node.program = node.folder / "sbin" / "akmd"
            node.program.parent.mkdir()
            shutil.copy(self.lab.program("akmd"), node.program)
            node.wrapper = ["sh", "-c", f'shift; exec {node.program} "$@"', "sh"]
        cluster.activate_all(self.lab)
        self.watchers = {host.name: Watcher(host) for host in (self.lab.nmm, *self.lab.nodes.values())}

    @staticmethod
    def remove_pins(pins):
        run("umount", pins, check=False)
        for pin in pins.iterdir() if pins.is_dir() else ():
            pin.unlink()
        if pins.is_dir():
            pins.rmdir()

    def pins(self, name):
        return pathlib.Path(self.lab.nodes[name].overrides["probes.pin_folder"])

    def link(self, name):
        """The first pin of a link, with its id. No more are asked for: each run of bpftool is BPF use by root, which
        the sensors meter, and a burst of it right before an act could have that act's record left out."""
        for pin in sorted(self.pins(name).iterdir()):
            shown = run("bpftool", "-j", "link", "show", "pinned", pin, check=False).stdout
            if shown and "id" in (found := json.loads(shown)):
                return pin, found["id"]
        raise LabError(f"no pin of a link of {name}")

    def seen(self, host, attack, by, since, seconds=60, event=None, **fields):
        """Waits for an event on that host's bus that the attack has caused, and adds the row."""
        watcher = self.watchers[host]

        def find():
            return next((one for one in watcher.events if one["boottime_ns"] >= since - 1_000_000_000 and
                         event in (None, one["name"]) and
                         all(value in one["fields"].get(key, "") for key, value in fields.items())), None)
        told = wait_until(find, f"{fields or event} on {host} after: {attack}", seconds, step=0.01)
        took = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - since) / 1e6
        what = told["fields"].get("class") or told["name"]
        what += f", {told['fields']['finding']}" if "finding" in told["fields"] else ""
        self.rows.append((attack, by, what, told["fields"].get("grade", "-"), f"{took:.0f} ms"))
        return told

    def now(self):
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def silenced(self, name, number, attack):
        """A signal that ends or stops it: the NMM misses it."""
        since = self.now()
        self.lab.nodes[name].daemon.send_signal(number)
        node_id = next(one["node_id"] for one in self.lab.nmm.json("nmm", "nodes") if one["name"] == name)
        self.assertTrue(node_id)
        self.seen("nmm", attack, "NMM, by missed heartbeats", since, event="node-silent", node=name)
        return since

    def test_each_attack_is_noticed_by_somebody(self):
        killed = self.silenced("a", signal.SIGKILL, "SIGKILL")
        self.lab.nodes["a"].daemon.wait()
        stopped = self.silenced("b", signal.SIGSTOP, "SIGSTOP")
        self.detached("c")
        self.unpinned("d")
        self.covered("e")
        self.replaced("f")
        self.deleted("g")
        time.sleep(max(0.0, UNWATCHED_S - (self.now() - stopped) / 1e9))
        self.back(killed, stopped)
        self.restarted("a")
        self.show()

    def detached(self, name):
        """By the link's id: tracepoints' links know no detaching, and the attempt is told."""
        _, number = self.link(name)
        since = self.now()
        link = bpf(BPF_LINK_GET_FD_BY_ID, number)
        self.assertGreaterEqual(link, 0)
        detached = bpf(BPF_LINK_DETACH, link)
        os.close(link)
        attack = "link detached by its id" + ("" if detached == 0 else " (refused by the kernel)")
        self.seen(name, "link opened by its id", "akmd's own programs", since,
                  **{"class": "bpf-tampering", "operation": "get-fd"})
        self.seen(name, attack, "akmd's own programs", since, **{"class": "sensor-tampering", "operation": "detach"})

    def unpinned(self, name):
        pin, _ = self.link(name)
        since = self.now()
        pin.unlink()
        self.seen(name, "pin of a link removed", "akmd's own programs", since, **{"class": "sensor-tampering"})
        self.seen(name, "the same, the link gone with it", "akmd, by its check", since,
                  **{"class": "sensor-impaired", "finding": "probe-gone"})
        since = self.now()
        for left in self.pins(name).iterdir():
            left.unlink()
        self.seen(name, "all pins removed", "akmd, by its check", since,
                  **{"class": "sensor-impaired", "finding": "silent"})

    def covered(self, name):
        since = self.now()
        run("mount", "-t", "tmpfs", "none", self.pins(name))
        self.seen(name, "pin folder mounted over", "akmd's own programs", since,
                  **{"class": "tampering", "operation": "mount"})
        self.seen(name, "pin folder mounted over", "akmd, by the mount table", since,
                  **{"class": "sensor-tampering", "what": str(self.pins(name))})

    def replaced(self, name):
        program = self.lab.nodes[name].program
        other = program.with_name("other")
        shutil.copy("/bin/true", other)
        since = self.now()
        other.rename(program)
        told = self.seen(name, "program replaced on the disk", "akmd, by its file", since,
                         **{"class": "service-tampering", "what": str(program)})
        self.assertNotEqual(told["fields"]["running_sha256"], told["fields"]["file_sha256"])

    def deleted(self, name):
        program = self.lab.nodes[name].program
        since = self.now()
        program.unlink()
        self.assertTrue(os.readlink(f"/proc/{self.lab.nodes[name].daemon.pid}/exe").endswith("(deleted)"))
        self.seen(name, "program of the running daemon deleted", "akmd, by its file", since,
                  **{"class": "service-tampering", "what": str(program), "after": "absent"})

    def back(self, killed, stopped):
        """The signals were recorded by the programs in the kernel, which outlive the daemon."""
        self.assertGreater(killed, 0)
        self.assertGreater(stopped, 0)
        for name, number in (("a", "SIGKILL"), ("b", "SIGSTOP")):
            since = self.now()
            if name == "a":
                self.lab.nodes[name].start(wait=False)
            else:
                self.lab.nodes[name].daemon.send_signal(signal.SIGCONT)
            who = "the next akmd" if name == "a" else "akmd, when it goes on"
            log = self.lab.nodes[name].log
            for detection, words in (("daemon-signal", "AKM_CLASS=daemon-signal"),
                                     ("sensor-impaired, unwatched", "AKM_FINDING=unwatched")):
                if name == "b" and detection != "daemon-signal":
                    continue  # its own clock tells nothing of that; the NMM did
                wait_until(lambda log=log, words=words: words in log.read_text(), f"{detection} in the log of {name}",
                           60, step=0.01)
                took = (self.now() - since) / 1e6
                self.rows.append((f"{number}, then the daemon again", f"{who}, by the records that waited", detection,
                                  "evidence", f"{took:.0f} ms from its return"))

    def restarted(self, name):
        """As an operator does it: the sensor is taken up again, and what the daemons did is nobody's attack."""
        node = self.lab.nodes[name]
        wait_until(lambda: node.status()["state"] == "active", f"{name} active")
        before = node.log.stat().st_size
        node.stop()
        node.start()
        wait_until(lambda: node.status()["state"] == "active", f"{name} active again")
        time.sleep(2)  # a check of the probes, and what it leads to
        row = dict(node.status()["probes"])["D32"]
        self.assertTrue(row.endswith(f"pinned in {self.pins(name)}, taken up"), row)
        told = [line for line in node.log.read_text()[before:].splitlines() if "AKM_GRADE=critical" in line]
        self.assertEqual(told, [])

    def show(self):
        lines = ["| attack | noticed by | as | grade | after |", "| --- | --- | --- | --- | --- |"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        print("\n" + "\n".join(lines), flush=True)
        if "AKM_TABLE" in os.environ:
            pathlib.Path(os.environ["AKM_TABLE"]).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
