"""What the integration tests share: where the build is, and when to skip."""
import os
import pathlib
import shutil
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
BUILD = pathlib.Path(os.environ.get("AKM_BUILD", ROOT / "build" / "dev"))
NEEDED = ("swtpm", "dbus-daemon", "ip", "nsenter", "tcpdump", "keyctl")


class IntegrationTest(unittest.TestCase):
    """Real daemons in namespaces. Skips, with the reason, where the machine cannot have them."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("network namespaces need root")
        missing = [program for program in NEEDED if shutil.which(program) is None]
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")


def main():
    """unittest.main, with exit 77 (ctest: skipped) when every test was skipped."""
    program = unittest.main(exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) or result.testsRun == 0 else 0)
