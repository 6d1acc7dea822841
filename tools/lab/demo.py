"""The seeds' steps on real parts, told in short: what is done, by which command, what came out.

Each step checks what it shows; the first that does not hold ends the demo with exit 1.
"""
import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import threading
import time

from tools.lab import cluster
from tools.lab.lab import Lab, LabError, run, wait_until

BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")


class Watcher:
    """`akmctl monitor --json` of one host, in the background."""

    def __init__(self, host):
        self.host, self.events = host, []
        self.process = subprocess.Popen(host.akmctl_argv("--json", "monitor"), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        host.lab.processes.append(self.process)
        with self.process.stderr as told:
            told.readline()  # it follows now
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def wait(self, name, seconds=20, **fields):
        """The first event of that name with those fields."""
        def find():
            for event in list(self.events):
                if event["name"] == name and all(event["fields"].get(k) == v for k, v in fields.items()):
                    return event
            return None
        return wait_until(find, f"event {name} {fields or ''} on {self.host.name}", seconds)


class Demo:
    def __init__(self, lab):
        self.lab, self.nmm = lab, lab.nmm
        self.steps = 0
        self.results = []
        self.usb = lab.folder / "usb"

    # What the reader sees

    def title(self, text):
        self.steps += 1
        print(f"\n{BOLD}{self.steps}. {text}{PLAIN}", flush=True)

    def say(self, text):
        print(f"   {text}", flush=True)

    def expect(self, condition, text):
        """One result that the step stands for."""
        print(f"   {'ok ' if condition else 'NO '} {text}", flush=True)
        self.results.append((self.steps, bool(condition), text))
        if not condition:
            raise LabError(f"step {self.steps}: this does not hold: {text}")

    def akmctl(self, host, *arguments, quiet=False, stdin=None, lines=40):
        """Runs akmctl on a host, printing the command as the reader can type it, and its output."""
        print(f"   {DIM}# akmctl --bus {host.bus_address} {shlex.join(str(a) for a in arguments)}{PLAIN}", flush=True)
        out = host.akmctl(*arguments, stdin=stdin).stdout
        if not quiet:
            for line in out.rstrip().splitlines()[:lines]:
                print(f"     {line}", flush=True)
        return out

    # What it needs to know

    def view(self, name, asr="asr-1"):
        return self.lab.nodes[name].asr(asr)

    def agreed(self, names, generation=None, epoch=None):
        """The common (generation, epoch, key check) of these nodes, when they have one (and the one asked for)."""
        return cluster.agreed(self.lab, names, "asr-1", generation, epoch)

    def wait_agreed(self, names, what, seconds=60, **wanted):
        return wait_until(lambda: self.agreed(names, **wanted), f"{what}: {', '.join(names)} with one key", seconds)

    # The steps

    def start(self):
        self.title("Seven hosts on one bridge: a Root, an NMM and the nodes a to e")
        self.say("Each has a network namespace, a D-Bus daemon, a TPM (swtpm) and its state in "
                 f"{self.lab.folder}/HOST.")
        for host in self.lab.hosts:
            host.start()
        state = self.akmctl(self.lab.nodes["a"], "node", "status")
        self.expect("unprovisioned" in state, "node a is up and unprovisioned")
        self.expect(self.lab.nodes["a"].status()["hardware_protected"], "its keys are sealed by its TPM")

    def root_secret(self):
        self.title("The Root makes the secret of the domain and issues the NMM: one level up, the same protocol")
        root = self.lab.root
        self.akmctl(root, "root", "init")
        drive = self.lab.folder / "root-usb"
        drive.mkdir()
        value = self.nmm.json("nmm", "identity")["value"]
        out = self.akmctl(root, "--json", "root", "nmm", "prepare", "nmm", "--hardware-value", value, "--to", drive,
                          quiet=True)
        prepared = json.loads(out)
        self.akmctl(self.nmm, "nmm", "join", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        wait_until(lambda: self.nmm.status()["state"] == "ready" and self.nmm.status()["root_state"] == "reached",
                   "the NMM to have its root secret", 60)
        self.expect(True, "the NMM has its provisioning root secret from the Root")

    def provision(self):
        self.title("Provisioning, way (a): a bundle on a USB drive, bound to the hardware of the node")
        self.usb.mkdir()
        for name in ("a", "b", "c"):
            self.provision_by_usb(name, quiet=name != "a")
        self.title("Provisioning, way (b): over a direct D-Bus connection, as a sealed memfd")
        for name in ("d", "e"):
            node = self.lab.nodes[name]
            self.akmctl(self.nmm, "nmm", "provision", name, "--bus-address", node.bus_address,
                        "--endpoint", node.endpoint)
        self.title("Activation: each node reaches the NMM under its provisioning ASR and gets a positive answer")
        for name, node in self.lab.nodes.items():
            if node.status()["state"] != "active":
                self.akmctl(node, "node", "activate", quiet=name != "a")
        wait_until(lambda: all(n.status()["state"] == "active" for n in self.lab.nodes.values()), "five active nodes")
        self.akmctl(self.nmm, "nmm", "nodes")
        self.expect(all(n["state"] == "active" for n in self.nmm.json("nmm", "nodes")), "the NMM has five active nodes")

    def provision_by_usb(self, name, quiet):
        node = self.lab.nodes[name]
        identity = node.json("node", "identity")
        if not quiet:
            self.akmctl(node, "node", "identity")
        out = self.akmctl(self.nmm, "--json", "nmm", "bundle", name, "--hardware-value", identity["value"],
                          "--endpoint", node.endpoint, "--to", self.usb, quiet=True)
        prepared = json.loads(out)
        bundle = pathlib.Path(prepared["path"])
        if not quiet:
            self.say(f"{bundle.name} is on the drive; its one-time code {prepared['code'][:5]}-... "
                     "goes by another way.")
            wrong = node.akmctl("node", "provision", bundle, "--code-file", "-", check=False, stdin="0" * 20 + "\n")
            self.expect(wrong.returncode != 0 and bundle.exists(), "a wrong code opens nothing and changes nothing")
            time.sleep(1.2)  # the next try is taken after a second
        self.akmctl(node, "node", "provision", bundle, "--code-file", "-", stdin=prepared["code"] + "\n", quiet=quiet)
        if not quiet:
            self.expect(not bundle.exists(), "the bundle is consumed: overwritten and removed, a receipt is beside it")
            self.say("on the drive now: " + ", ".join(sorted(p.name for p in self.usb.iterdir())))

    def create(self):
        self.title("The NMM makes ASR 1 of the nodes a to d and saves it in each")
        self.akmctl(self.nmm, "asr", "create", "asr-1", "a", "b", "c", "d")
        generation, epoch, check = self.wait_agreed("abcd", "ASR 1")
        self.expect(True, "a, b, c and d hold the same session key: "
                    f"generation {generation}, epoch {epoch}, check {check}")
        self.title("Node e joins ASR 1: all five get the next generation")
        self.akmctl(self.nmm, "asr", "add", "asr-1", "e")
        key = self.wait_agreed("abcde", "ASR 1 with e", generation=generation + 1)
        self.expect(key[0] == generation + 1, f"all five hold generation {key[0]}, check {key[2]}")

    def show(self):
        self.title("ASR 1 as data: everything but secrets, a key check value instead")
        self.akmctl(self.nmm, "asr", "show", "asr-1")
        self.say("and as node a has it; the check value is computed from the key read back from the kernel keyring:")
        out = self.akmctl(self.lab.nodes["a"], "asr", "show", "asr-1")
        self.expect(self.view("a")["key_check"] in out, "node a shows the check value")
        serial = self.lab.nodes["a"].status()["keyring"]
        self.say("the keys of node a in the kernel keyring:")
        print(f"   {DIM}# keyctl list {serial}{PLAIN}")
        listing = run("keyctl", "list", str(serial)).stdout
        for line in listing.rstrip().splitlines():
            print(f"     {line}")
        self.expect("current" in listing, "keyctl lists them, by name")

    def autonomous(self):
        self.title("Set and forget: the NMM is stopped, and the members replace their key by themselves")
        before = self.wait_agreed("abcde", "before")
        self.nmm.stop()
        self.say("akm-nmmd is stopped.")
        self.akmctl(self.lab.nodes["b"], "asr", "rekey", "asr-1")
        key = self.wait_agreed("abcde", "the members' own rekey", generation=before[0], epoch=before[1] + 1)
        self.expect(key[2] != before[2],
                    f"epoch {before[1]} -> {key[1]}, check {before[2]} -> {key[2]}, without any NMM")
        self.nmm.start()
        wait_until(lambda: self.nmm.status()["state"] == "ready", "the NMM again")
        self.say("akm-nmmd runs again.")

    def breach(self):
        self.title("A breach: somebody with root on node c reads its session key with keyctl")
        c = self.lab.nodes["c"]
        before = self.wait_agreed("abcde", "before the breach")
        watchers = {name: Watcher(host) for name, host in [("nmm", self.nmm), *self.lab.nodes.items()]}
        keys = run("keyctl", "list", str(c.status()["keyring"])).stdout
        serial = next(line.split(":")[0].strip() for line in keys.splitlines()
                      if line.rstrip().endswith(":current") and "user" in line and self.view("c")["id"] in line)
        self.say(f"attacker$ keyctl read {serial}")
        refused = run("keyctl", "read", serial, check=False)
        self.expect(refused.returncode != 0, f"the kernel refuses: {refused.stderr.strip() or refused.stdout.strip()}")
        detected = watchers["c"].wait("breach-detected")
        self.say("detected on c: " + ", ".join(f"{k}={v}" for k, v in sorted(detected["fields"].items()))[:160])
        key = self.wait_agreed("abde", "new keys without c", generation=before[0] + 1)
        self.expect(key[2] != before[2],
                    f"a, b, d and e hold generation {key[0]}, check {key[2]}; nobody touched anything")
        last = max(watchers[n].wait("generation-switched", generation=str(key[0]))["boottime_ns"] for n in "abde")
        self.took_ms = (last - int(detected["boottime_ns"])) / 1e6
        self.expect(True, f"from the attacker's system call to the last member's new key: {self.took_ms:.1f} ms")
        self.expect(self.view("c") is None, "node c holds no key of ASR 1 any more")
        nodes = {n["name"]: n["state"] for n in self.nmm.json("nmm", "nodes")}
        self.expect(nodes["c"] == "quarantined", "the NMM has c in quarantine")
        self.akmctl(self.nmm, "nmm", "nodes")
        self.replay_old_frames(before)

    def replay_old_frames(self, before):
        """Frames of c under its old key, captured before, are refused by the others."""
        self.say("")
        a = self.lab.nodes["a"]
        refused = self.refusals(a)
        # On a busy machine the recorder is some seconds behind.
        recorded = wait_until(lambda: self.lab.captured("c", "a"), "frames of c in the record")
        self.lab.inject(self.lab.nodes["c"], a, [frame.bytes for frame in recorded][-50:])

        def more_refused():
            now = self.refusals(a)
            return now if sum(now.values()) > sum(refused.values()) else None

        after = wait_until(more_refused, "refused frames on a")
        grown = {k: v - refused.get(k, 0) for k, v in after.items() if v > refused.get(k, 0)}
        self.expect(grown, "c's frames are refused by a: " + ", ".join(f"{k} +{v}" for k, v in sorted(grown.items())))
        self.expect(self.agreed("abde") is not None, "and change nothing")

    @staticmethod
    def refusals(host):
        return {k: v for k, v in host.status()["counters"].items() if k.startswith("refused_")}

    def readmit(self):
        self.title("The operator has looked at c and takes it back")
        before = self.agreed("abde")
        self.akmctl(self.nmm, "readmit", "c")
        key = self.wait_agreed("abcde", "ASR 1 with c again", generation=before[0] + 1)
        self.expect(True, f"all five hold generation {key[0]}, check {key[2]}")

    def restart(self):
        self.title("kill -9 of akmd on node a, and its return to the same epoch")
        a = self.lab.nodes["a"]
        self.akmctl(a, "asr", "rekey", "asr-1", quiet=True)
        before = self.wait_agreed("abcde", "before the kill")
        incarnation = a.status()["incarnation"]
        a.kill()
        a.start()
        # It asks for a new epoch by itself, half a second to a second after its start.
        key = self.wait_agreed("abcde", "after the restart", epoch=before[1] + 1)
        self.expect(key[1] >= before[1] and key[0] == before[0], f"a is back in generation {key[0]}, epoch {key[1]}")
        self.expect(a.status()["incarnation"] > incarnation, "with a higher incarnation from its TPM's counter")
        self.akmctl(self.lab.nodes["a"], "asr", "rekey", "asr-1")
        after = self.wait_agreed("abcde", "a rekey that a starts", generation=key[0], epoch=key[1] + 1)
        self.expect(True, f"and it takes part: epoch {after[1]}, check {after[2]}")

    def report(self):
        self.title("The Root has the nodes, the relationship and the breach; the policy is data with a history")
        root = self.lab.root
        wait_until(lambda: any(n["nodes"] == 5 and n["asrs"] == 1 for n in root.json("root", "nmms")), "the report", 60)
        self.akmctl(root, "root", "nmms")
        names = {incident["name"] for incident in root.json("root", "incidents")}
        self.expect(any("breach" in name for name in names), "the breach of c is among its incidents")
        self.akmctl(root, "root", "set", "policy", "0000000000000001", "-f", "rekey_interval_s=600", quiet=True)
        self.akmctl(root, "root", "set", "policy", "0000000000000001", "-f", "rekey_interval_s=60", quiet=True)
        revision = root.status()["revision"]
        self.akmctl(root, "root", "rollback", revision - 1)
        self.akmctl(root, "root", "history", "--after", revision - 2)
        field = root.json("root", "get", "policy", "0000000000000001")["fields"]["rekey_interval_s"]
        self.expect(field == "600", "a rollback is a new change")

    def summary(self):
        self.title("Summary")
        for name in "abcde":
            view = self.view(name)
            self.say(f"node {name}: ASR 1 generation {view['generation']}, epoch {view['epoch']}, "
                     f"key check {view['key_check']}")
        self.say(f"breach to new keys: {self.took_ms:.1f} ms")
        self.say(f"{sum(ok for _, ok, _ in self.results)} of {len(self.results)} checks hold")

    def run(self):
        for step in (self.start, self.root_secret, self.provision, self.create, self.show, self.autonomous, self.breach,
                     self.readmit, self.restart, self.report, self.summary):
            step()


def keep(lab):
    """Leaves everything running until the reader ends it."""
    print(f"\nThe lab runs on. In another shell:\n  export PATH={lab.program('akmctl').parent}:$PATH")
    for host in lab.hosts:
        print(f"  AKM_BUS_ADDRESS={host.bus_address} akmctl {host.role} status")
    print(f"  busctl --address={lab.nmm.bus_address} tree org.akm.Nmm1\n  logs: {lab.folder}/*/daemon.log")
    try:
        input("Press Enter to end it and clean up. ")
    except (EOFError, KeyboardInterrupt):
        pass


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description="AKM's whole job on this machine.")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true", help="leave the hosts running at the end")
    arguments = parser.parse_args()
    folder = pathlib.Path("/tmp/akm-demo")
    if folder.exists():
        folder = pathlib.Path(f"/tmp/akm-demo-{os.getpid()}")
    started = time.monotonic()
    lab = Lab(arguments.build, folder=folder, prefix="akm-demo" if folder.name == "akm-demo" else f"akm{os.getpid()}",
              root=True)
    try:
        with lab:
            lab.start_capture()
            try:
                Demo(lab).run()
            except LabError as problem:
                print(f"\nThe demo stopped: {problem}", file=sys.stderr)
                for host in lab.hosts:
                    print(f"--- {host.name}\n{host.log_tail()}", file=sys.stderr)
                if arguments.keep:
                    keep(lab)
                return 1
            print(f"\nEverything did what it said, in {time.monotonic() - started:.0f} s.")
            if arguments.keep:
                keep(lab)
    except LabError as problem:
        print(f"The lab could not be made: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
