"""The sensor on other kernels than this machine's: what the LSM programs see and deny, and what is left without them.

Each class is one boot of a guest. Results of the acts of tests/attacks go to vm-results in the build folder, for
table.py.
"""
import json
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

import kernels
import machine
from vm_test import main

sys.path.insert(0, str(machine.HERE.parent / "attacks"))
import results  # noqa: E402  (beside tests/attacks)

NO_BPF = "landlock,lockdown,yama,integrity,apparmor"
PROGRAMS = sorted(path.stem.removeprefix("test_") for path in (machine.HERE.parent / "bpf").glob("test_*.cpp"))


class Boot(unittest.TestCase):
    """One guest; its class attributes say which, the tests look at what it said."""
    kernel, lsm, script, name = "", machine.LSM, "sensor.sh", ""
    tpm = False
    said, folder, guest = "", None, None

    @classmethod
    def setUpClass(cls):
        reason = machine.why_not()
        if reason:
            raise unittest.SkipTest(reason)
        try:
            kernel = kernels.folder_of(cls.kernel)
        except kernels.Unreachable as why:
            raise unittest.SkipTest(f"no kernel {cls.kernel}: {why}") from why
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="akm-vm-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        image = machine.Image(cls.folder, kernel)
        image.put_daemons()
        cls.put(image)
        initrd = image.pack(cls.script)
        cls.guest = machine.started(lambda: machine.Machine(image, initrd, lsm=cls.lsm, tpm=cls.tpm))
        cls.addClassCleanup(cls.guest.stop)
        cls.said = cls.guest.wait_for("GUEST ended", seconds=900)
        keep = machine.BUILD / "vm-results"
        keep.mkdir(exist_ok=True)
        (keep / f"{cls.name}.log").write_text(cls.said)

    @classmethod
    def put(cls, image):
        """More for the image of this boot."""

    def test_ended(self):
        console = self.guest.console.read_text(errors="replace")
        self.assertIn("GUEST ended 0", self.said, f"no end:\n{self.said[-3000:]}\n{console[-3000:]}")


class Sensor(Boot):
    tiers = {}
    tpm = True  # for what D9 watches

    @classmethod
    def put(cls, image):
        for name in PROGRAMS:
            image.put_program(machine.BUILD / "bin" / f"test_bpf_{name}")
        image.put_program(machine.BUILD / "bin" / "attack")
        image.put_program(machine.BUILD / "bin" / "load_programs")
        image.put(machine.BUILD / "bpf/akm_probes.bpf.o", "/akm_probes.bpf.o", executable=False)
        image.put(machine.HERE.parent / "attacks/attacks.sh", "/attacks.sh")
        image.put_program(pathlib.Path(shutil.which("true")).resolve())  # not an applet: it is run by other names too
        image.put(shutil.which("true"), "/usr/bin/strace")  # it is enough that a tool is there and started
        image.put_plugin("libtss2-tcti-device.so.0")
        image.put_modules("veth", "wireguard", "xfrm_user", "af_key", "sch_ingress", "cls_bpf")  # the last for the gate

    def test_each_program_loads(self):
        refused = re.findall(r"^PROGRAM (?!.* ok$).*$", self.said, re.M)
        self.assertEqual(refused, [], self.said[self.said.find(refused[0]):][:3000] if refused else "")
        self.assertIn("LOAD exit 0", self.said)

    def test_programs(self):
        for name in PROGRAMS:
            with self.subTest(program=name):
                part = re.search(rf"TEST begin test_bpf_{name}\n(.*?)TEST end test_bpf_{name} (\d+)", self.said, re.S)
                self.assertIsNotNone(part, "it did not end")
                bad = [line for line in part.group(1).splitlines() if line.startswith(("not ok", "skipped"))]
                # The gate's test wants an ip that busybox is not; its judgement has a test of its own.
                codes = ("0", "77") if name == "gate" else ("0",)
                self.assertEqual((part.group(2) in codes, bad), (True, []), part.group(1)[-1500:])

    def test_attacks(self):
        self.assertIn("ATTACKS over", self.said)
        found = results.results(self.name, self.said)
        keep = machine.BUILD / "vm-results" / f"{self.name}.tsv"
        keep.write_text("".join(one.line() + "\n" for one in found))
        # What is done in the daemon itself has no program of its own: tests/bpf/test_exec is the daemon.
        book = results.Book("bpf", self.name)
        for tier, kind, result, what in re.findall(r"^@row D18 (\S+) (\S+) (\S+) (.*made.*)$", self.said, re.M):
            book.add("D18", kind, what, result, tier=tier)
        self.assertEqual(results.wrong(found), [])
        detected = [one for one in found if one.result == "detected"]
        self.assertGreater(len(detected), 30, "most acts are there to be seen")

    def test_tiers(self):
        probes = results.status(self.said)["probes"]
        self.assertEqual({row: probes[row].split(":")[0] for row in self.tiers}, self.tiers, probes)


class Lsm(Sensor):
    """With bpf among the LSMs: asked before it happens, what is refused did not happen."""
    tiers = {"D1": "lsm", "D2": "lsm", "D10": "lsm + fanotify"}

    def test_denied(self):
        for act in ("d1-read", "d1-ia32", "d2-attach", "d2-vm-read", "d2-mem", "d2-mem-uring-at", "d2-ia32",
                    "d10-write", "d10-uring-at", "d6-map"):
            with self.subTest(act=act):
                self.assertRegex(self.said, rf"\nACT \S+ \S+ \S+ {act} \d+ refused")


class Linux61(Lsm):
    kernel, name = "6.1", "vm-6.1"


class Linux612(Lsm):
    kernel, name = "6.12", "vm-6.12"


class NoBpfLsm(Sensor):
    """The command line leaves bpf out of the LSMs: the sensor works as it does on any older kernel, and says so."""
    kernel, name, lsm = "6.1", "vm-6.1-no-bpf-lsm", NO_BPF
    tiers = {"D1": "fentry", "D2": "fentry", "D10": "fentry + fanotify"}


class Fallback(Boot):
    kernel, name, script = "6.1", "vm-6.1-fallback", "fallback.sh"

    def stage(self, name):
        found = re.search(rf"^STAGE {name} (.*)$", self.said, re.M)
        self.assertIsNotNone(found, f"no stage {name}:\n{self.said[-3000:]}")
        return json.loads(found.group(1))

    def test_as_it_is(self):
        probes = self.stage("plain")["probes"]
        self.assertTrue(probes["D1"].startswith("lsm"), probes)

    def test_without_btf(self):
        status = self.stage("no-btf")
        self.assertIn("shows no BTF", " ".join(status["findings"]))
        self.assertEqual([row for row in status["probes"] if row != "D26, D27"], [], "the gate needs none")

    def test_lockdown_integrity_changes_nothing(self):
        tiers = [{row: said.split(":")[0] for row, said in self.stage(mode)["probes"].items() if row != "D32"}
                 for mode in ("plain", "integrity")]
        self.assertEqual(tiers[0], tiers[1])

    def test_lockdown_confidentiality_is_said(self):
        status = self.stage("confidentiality")
        said = " ".join(status["findings"]) + json.dumps(status["probes"])
        self.assertIn("lockdown is in force: confidentiality", said)


class WholeNode(Boot):
    """Provisioned, active, attacked: with keys under the TPM that the kernel drives, and all that follows a breach."""
    kernel, name, script, tpm = "6.1", "vm-6.1-node", "node.sh", True

    @classmethod
    def put(cls, image):
        image.put_program(machine.BUILD / "bin" / "attack")
        image.put_plugin("libtss2-tcti-device.so.0")

    def shown(self, word):
        found = re.search(rf"^{word} (.*)$", self.said, re.M)
        self.assertIsNotNone(found, f"no {word}:\n{self.said[-3000:]}")
        return found.group(1)

    def test_sealed_by_the_tpm(self):
        for when in ("before", "unsealed"):
            status = json.loads(self.shown(f"NODE {when}"))
            self.assertTrue(status["hardware_protected"], status["key_storage"])

    def test_attack_is_denied_and_answered(self):
        self.assertRegex(self.said, r"ACT D1 key-access attack d1-read \d+ refused")
        self.assertEqual(json.loads(self.shown("NODE after"))["state"], "quarantined")
        self.assertIn("NODE a holds no key", self.said)
        events = [json.loads(line)["fields"] for line in re.findall(r"^EVENT (.*)$", self.said, re.M)]
        self.assertEqual({(event["class"], event["comm"]) for event in events}, {("key-access", "d1-read")})
        self.assertRegex(self.shown("NODES"), r'"name":"a"[^}]*"state":"quarantined"')


if __name__ == "__main__":
    main()
