"""What the integration tests share: where the build is, and when to skip."""
import os
import pathlib
import shutil
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
sys.path[:0] = [str(ROOT / "tests/attacks")]  # results.Book: for tests whose acts stand in docs/detections.md
BUILD = pathlib.Path(os.environ.get("AKM_BUILD", ROOT / "build" / "dev"))
BPFFS = pathlib.Path("/sys/fs/bpf")
NEEDED = ("swtpm", "dbus-daemon", "ip", "nsenter", "tcpdump", "keyctl", "mount")
# Short times, so that what takes half a minute by default is over in some seconds.
HASTY = {"nnrt_ms": 300, "nset_ms": 600, "fbset_ms": 800, "fsset_ms": 1000, "grace_ms": 300}
HASTY_NMM = {f"policy.{key}": value for key, value in HASTY.items()} | {
    "policy.resync_min_interval_s": 1, "policy.heartbeat_interval_s": 1, "policy.control_deadline_s": 5}


def found(host, *words):
    """The findings of its status that hold all these words."""
    return [finding for finding in (host.status() or {"findings": []})["findings"]
            if all(word in finding for word in words)]


class IntegrationTest(unittest.TestCase):
    """Real daemons in namespaces. Skips, with the reason, where the machine cannot have them."""
    needed = ()  # the programs that a test needs besides

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("network namespaces need root")
        missing = [program for program in (*NEEDED, *cls.needed) if shutil.which(program) is None]
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")


def main():
    """unittest.main, with exit 77 (ctest: skipped) when every test was skipped."""
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) or result.testsRun == 0 else 0)
