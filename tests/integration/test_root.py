"""A real akm-rootd in a network namespace of its own: configuration with history over SQLite and over a PostgreSQL
server that is stopped and killed, a kill -9, and a database that was put back."""
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import unittest

from support import BUILD, IntegrationTest, found, main
from tools.lab.lab import Lab, wait_until

POLICY = ("policy", "0000000000000001")


class PostgresServer:
    """Of an unprivileged user, on a UNIX socket in a folder of its own."""

    def __init__(self):
        self.programs = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="akm-postgres-"))
        self.user = pwd.getpwnam("nobody")
        os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.process = None
        subprocess.run(self.command("initdb", "-D", self.data, "-U", "akm", "-A", "trust", "-N", "--locale=C.UTF-8"),
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        self.start()

    @property
    def data(self):
        return self.folder / "data"

    def command(self, program, *arguments):
        return ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups",
                str(self.programs / program), *(str(argument) for argument in arguments)]

    def start(self):
        self.process = subprocess.Popen(
            self.command("postgres", "-D", self.data, "-k", self.folder, "-c", "listen_addresses=", "-c", "fsync=off"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True)
        wait_until(lambda: subprocess.run([str(self.programs / "pg_isready"), "-q", "-h", str(self.folder)],
                                          check=False).returncode == 0, "PostgreSQL", 30)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def close(self):
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Root(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=(), root=True)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.root = self.lab.root

    def set(self, seconds):
        return self.root.json("root", "set", *POLICY, "-f", f"rekey_interval_s={seconds}")["revision"]

    def interval(self):
        return self.root.json("root", "get", *POLICY)["fields"]["rekey_interval_s"]

    def history(self):
        return self.root.json("root", "history")

    def open(self):
        wait_until(lambda: self.root.status()["state"] == "ready", "the Root to be ready", 30)

    def test_configuration_has_a_history_that_outlives_a_kill(self):
        self.root.start()
        self.root.akmctl("root", "init")
        self.assertEqual([self.set(600), self.set(60)], [1, 2])
        difference = self.root.json("root", "diff", "1", "2")
        self.assertEqual([(one["field"], one["before"], one["after"]) for one in difference],
                         [("rekey_interval_s", "600", "60")])
        self.assertEqual(self.root.json("root", "rollback", "1")["revision"], 3)
        before = self.history()
        self.assertEqual([one["who"] for one in before], ["uid 0"] * 3)
        self.assertEqual(before[-1]["rollback_to"], 1)
        self.root.kill()
        self.root.start()
        self.open()
        self.assertEqual(self.history(), before)
        self.assertEqual(self.interval(), "600")
        database = self.root.state / "root.db"
        self.assertEqual(database.stat().st_mode & 0o7777, 0o600)
        refused = self.root.akmctl("root", "set", *POLICY, "-f", "rekey_interval_s=soon", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertEqual(len(self.history()), 3)

    def test_an_older_database_is_refused_until_the_newest_is_back(self):
        self.root.start()
        self.root.akmctl("root", "init")
        self.set(600)
        self.root.stop()
        database, old, newest = (self.root.state / name for name in ("root.db", "old", "newest"))
        shutil.copy(database, old)
        self.root.start()
        self.open()
        self.set(60)
        self.root.stop()
        shutil.copy(database, newest)
        shutil.copy(old, database)
        self.root.start()
        wait_until(lambda: found(self.root, "older than what this Root last saw"), "the finding", 30)
        self.assertEqual(self.root.status()["state"], "database-unavailable")
        self.assertNotEqual(self.root.akmctl("root", "get", *POLICY, check=False).returncode, 0)
        self.root.stop()
        shutil.copy(newest, database)
        self.root.start()
        self.open()
        self.assertEqual(self.interval(), "60")

    @unittest.skipUnless(glob.glob("/usr/lib/postgresql/*/bin/initdb"), "PostgreSQL is not installed")
    def test_a_server_that_goes_away_and_comes_back(self):
        server = PostgresServer()
        self.addCleanup(server.close)
        self.root.overrides = {"database.kind": "postgresql",
                               "database.conninfo": f"host={server.folder} dbname=postgres user=akm password=hunter2"}
        self.root.start()
        self.root.akmctl("root", "init")
        self.set(600)
        server.kill()
        server.start()
        self.assertEqual(self.set(60), 2)
        server.stop()
        away = self.root.akmctl("root", "get", *POLICY, check=False)
        self.assertEqual(away.returncode, 3, away.stderr)
        self.assertEqual(self.root.status()["state"], "database-unavailable")
        server.start()
        wait_until(lambda: self.root.akmctl("root", "get", *POLICY, check=False).returncode == 0,
                   "the server again", 30)
        self.assertEqual(self.interval(), "60")
        self.assertEqual(self.root.status()["state"], "ready")
        self.assertNotIn("hunter2", self.root.log_tail() + str(self.root.status()))


if __name__ == "__main__":
    main()
