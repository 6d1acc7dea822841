"""The demo is the main job: every step of it must hold."""
import subprocess
import sys

from support import BUILD, ROOT, IntegrationTest, main


class MainJob(IntegrationTest):
    def test_demo(self):
        done = subprocess.run([sys.executable, "-m", "tools.lab.demo", str(BUILD)], cwd=ROOT, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-6000:])
        self.assertIn("Everything did what it said", done.stdout)
        self.assertNotIn("NO ", done.stdout)


if __name__ == "__main__":
    main()
