"""Every act of tests/attacks against a node on this kernel: attacks and ways around are noticed, harmless acts are not.

The node and its NMM run in namespaces of their own (network, mounts) and with a keyring of their own. What was found
goes to vm-results in the build folder, beside what guests find, for tests/vm/table.py.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "vm")]
import machine  # noqa: E402  (the folders beside)
import results  # noqa: E402
from vm_test import main  # noqa: E402

NEEDED = ("dbus-daemon", "unshare", "keyctl", "ip", "awk")
# Nothing of this machine's /etc is written to.
START = """ip link set lo up && cp -a /etc "$0/etc" && mkdir -p "$0/etc/systemd/system" && mount --bind "$0/etc" /etc &&
exec sh "$@" etc"""


class Attacks(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("root is needed")
        missing = [program for program in NEEDED if shutil.which(program) is None]
        if missing:
            self.skipTest(f"not installed: {', '.join(missing)}")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="akm-attacks-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    @staticmethod
    def unshared(*argv):
        """With a keyring, a network and mounts of its own."""
        return ["keyctl", "session", "-", "unshare", "-n", "-m", "--propagation", "private", *argv]

    def test_acts(self):
        bus = self.folder / "bus.conf"
        bus.write_text(machine.BUS)
        done = subprocess.run(
            self.unshared("sh", "-c", START, self.folder, HERE / "attacks.sh", self.folder / "w"),
            capture_output=True, text=True, timeout=240, check=False,
            env={**os.environ, "PATH": f"{machine.BUILD / 'bin'}:{os.environ['PATH']}", "AKM_ATTACK_BUS": str(bus)})
        self.assertIn("ATTACKS over", done.stdout, done.stdout[-3000:] + done.stderr[-3000:])
        if "probes" not in results.status(done.stdout) or not results.status(done.stdout)["probes"]:
            self.skipTest(f"no probes on this machine: {results.status(done.stdout).get('findings')}")
        found = results.results("host", done.stdout)
        keep = machine.BUILD / "vm-results"
        keep.mkdir(exist_ok=True)
        (keep / "host.log").write_text(done.stdout)
        (keep / "host.tsv").write_text("".join(one.line() + "\n" for one in found))
        self.assertEqual(results.wrong(found), [])
        detected = [one for one in found if one.result == "detected"]
        self.assertGreater(len(detected), 30, "most acts are there to be seen")


if __name__ == "__main__":
    main()
