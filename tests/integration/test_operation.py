"""What an operator does with a running system: the log's level with systemd's own tool, metrics for node_exporter, the
live picture on a terminal, and the line that says how far a change is."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from unittest import mock

from support import BUILD, ROOT, IntegrationTest, main
from tools.lab import cluster, lab as of_lab
from tools.lab.lab import PROGRAMS, Lab, wait_until

NOBODY = 65534
NAMES = {"node": "org.akm.Node1", "nmm": "org.akm.Nmm1", "root": "org.akm.Root1"}
SAMPLE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? [0-9]+')


class Terminal:
    """A program on a terminal of its own; `which`: its descriptors that are the terminal."""

    def __init__(self, argv, which=(0, 1, 2), size=(24, 80)):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        files = [slave if number in which else subprocess.DEVNULL for number in (0, 1, 2)]
        self.process = subprocess.Popen(argv, stdin=files[0], stdout=files[1], stderr=files[2], start_new_session=True,
                                        env={**os.environ, "TERM": "xterm"})
        self.text = ""

    def read(self, seconds=0.05):
        while select.select([self.master], [], [], seconds)[0]:
            self.text += os.read(self.master, 65536).decode(errors="replace")
            seconds = 0
        return self.text

    def wait_for(self, text):
        """Until it has come since the last call; returns what came before and with it."""
        wait_until(lambda: text in self.read(), f"'{text}' on the terminal", 60)
        seen, self.text = self.text.split(text, 1)
        return seen + text

    def type(self, keys):
        os.write(self.master, keys)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def end(self):
        code = self.process.wait(timeout=60)
        self.read()
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


class Operation(IntegrationTest):
    needed = ("busctl", "setpriv")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The packages' own policies count on each bus of this test.
        rules = f"<includedir>{ROOT}/packaging/dbus-1</includedir></busconfig>"
        patch = mock.patch.object(of_lab, "DBUS_CONFIG", of_lab.DBUS_CONFIG.replace("</busconfig>", rules))
        patch.start()
        cls.addClassCleanup(patch.stop)
        cls.lab = Lab(BUILD, nodes=("a", "b"), root=True)
        cls.lab.__enter__()
        cls.addClassCleanup(cls.lab.close)
        for host in (cls.lab, *cls.lab.hosts):
            host.folder.chmod(0o711)  # another user reaches the bus
        cluster.activate_all(cls.lab)
        cluster.create(cls.lab)

    def busctl(self, host, *arguments, user=None):
        drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return subprocess.run([*drop, "busctl", f"--address={host.bus_address}", *arguments], capture_output=True,
                              text=True, check=False)

    def log_control(self, host, verb, name, *value, user=None):
        return self.busctl(host, verb, NAMES[host.role], "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1",
                           name, *value, user=user)

    def test_log_level(self):
        for host in (self.lab.nmm, self.lab.root, self.lab.nodes["a"]):
            def get(name, at=host, user=None):
                return self.log_control(at, "get-property", name, user=user).stdout.strip()

            def told(text, at=host):
                return text in at.log.read_text()

            self.assertEqual(get("SyslogIdentifier"), f's "{PROGRAMS[host.role]}"')
            self.assertEqual(get("LogLevel", user=NOBODY), 's "info"')
            self.assertEqual(get("LogTarget"), 's "console"')
            refused = self.log_control(host, "set-property", "LogLevel", "s", "debug", user=NOBODY)
            self.assertIn("denied", refused.stderr.lower())
            wrong = self.log_control(host, "set-property", "LogLevel", "s", "loud")
            self.assertIn("emerg, alert, crit", wrong.stderr)
            self.assertEqual(get("LogLevel"), 's "info"')
            self.assertFalse(told("A method is called"))
            self.assertEqual(self.log_control(host, "set-property", "LogLevel", "s", "debug").stderr, "")
            self.assertEqual(get("LogLevel"), 's "debug"')
            host.akmctl(*(("policy", "show") if host.role == "node" else (host.role, "nodes")), check=False)
            wait_until(lambda at=host: told("A method is called", at), "what is told at debug only", 60)
            host.daemon.send_signal(signal.SIGHUP)
            wait_until(lambda at=host: get("LogLevel", at) == 's "info"', "the configuration's level after a reload")

    def check_textfile(self, text):
        """As node_exporter's parser wants it: each family's head once, before its samples, which follow one another."""
        documented = {name for line in (ROOT / "docs/metrics.md").read_text().splitlines() if line.startswith("| `")
                      for name in self.spelled_out(line.split("`")[1])}
        types, current = {}, None
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                current, kind = line.split()[2:]
                self.assertNotIn(current, types)
                self.assertIn(kind, ("counter", "gauge"))
                types[current] = 0
            elif not line.startswith("# HELP "):
                sample = SAMPLE.fullmatch(line)
                self.assertTrue(sample, line)
                self.assertEqual(sample[1], current)
                types[current] += 1
        self.assertNotIn(0, types.values())
        self.assertEqual(set(types) - documented, set(), "docs/metrics.md has them all")
        return set(types)

    @staticmethod
    def spelled_out(name):
        head, brace, rest = name.partition("{")
        if not brace:
            return [name]
        words, tail = rest.split("}")
        return [head + word + tail for word in words.split(",")]

    def test_textfile(self):
        folder = self.lab.folder / "textfile"
        folder.mkdir()
        seen = set()
        for host in (self.lab.nmm, self.lab.root, self.lab.nodes["a"]):
            file = folder / f"{host.name}.prom"
            for _ in range(2):
                host.akmctl("metrics", "--textfile", file)
            self.assertEqual(file.stat().st_mode & 0o7777, 0o644)
            seen |= self.check_textfile(file.read_text())
        self.assertLess({"akm_node_info", "akm_node_probe_heartbeats_total", "akm_nmm_nodes", "akm_root_nmms_known",
                         "akm_asr_epoch"}, seen)
        wrong = self.lab.nmm.akmctl("metrics", "--textfile", folder / "akm.txt", check=False)
        self.assertIn(".prom", wrong.stderr)
        self.assertEqual({file.name for file in folder.iterdir()}, {"nmm.prom", "root.prom", "a.prom"})

    def test_monitor(self):
        host = self.lab.nodes["a"]
        terminal = Terminal(host.akmctl_argv("monitor"))
        self.addCleanup(terminal.close)
        first = terminal.wait_for("q: quit")
        self.assertIn("\x1b[?1049h", first)
        terminal.wait_for("asr-1")
        self.lab.nmm.akmctl("asr", "rekey", "asr-1")
        terminal.wait_for("session-committed")
        terminal.resize(5, 20)
        terminal.wait_for("akmd")
        terminal.resize(40, 120)
        host.kill()
        terminal.wait_for("No daemon of AKM is there")
        host.start()
        terminal.wait_for("EPOCH")
        host.bus.kill()
        host.bus.wait()
        terminal.wait_for("No connection, trying again")
        host.start_bus()
        terminal.wait_for("EPOCH")
        terminal.type(b"q")
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.text.endswith("\x1b[?1049l"), repr(terminal.text[-40:]))
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)

    def test_monitor_ends_by_signals_and_says_lines_elsewhere(self):
        host = self.lab.nmm
        terminal = Terminal(host.akmctl_argv("monitor"))
        self.addCleanup(terminal.close)
        terminal.wait_for("q: quit")
        terminal.process.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.end(), 0)
        self.assertTrue(terminal.text.endswith("\x1b[?1049l"))
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.before)
        lines = Terminal(host.akmctl_argv("monitor", "--lines", "--count", "1"))
        self.addCleanup(lines.close)
        lines.wait_for("Following events")
        host.akmctl("asr", "rekey", "asr-1")
        self.assertEqual(lines.end(), 0)
        self.assertNotIn("\x1b[?1049h", lines.text)
        self.assertIn("asr=", lines.text)

    def test_progress(self):
        b = self.lab.nodes["b"]
        self.lab.link(b, up=False)
        try:
            shown = Terminal(self.lab.nmm.akmctl_argv("asr", "rekey", "asr-1"), which=(2,))
            self.addCleanup(shown.close)
            shown.wait_for("asr-1: 1 of 2 members have answered")
            self.lab.nmm.kill()  # an end that does not come before the line
            self.assertNotEqual(shown.end(), 0)
            self.assertIn("\r\x1b[K", shown.text, "the line is wiped before the error is said")
            self.lab.nmm.start()
            quiet = Terminal(self.lab.nmm.akmctl_argv("--timeout", "4", "asr", "rekey", "asr-1", "--quiet"), which=(2,))
            self.addCleanup(quiet.close)
            quiet.end()
            self.assertNotIn("answered (", quiet.text)
        finally:
            self.lab.link(b, up=True)
        cluster.wait_agreed(self.lab, "ab", "asr-1")


if __name__ == "__main__":
    main()
