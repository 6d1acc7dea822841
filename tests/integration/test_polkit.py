"""Debian's polkitd decides on the lab's own bus, with our policy and rules; without it uid 0 and the group akm remain.

The test is in a mount namespace of its own: what polkitd reads in /etc and /usr, and the users and groups,
are files of the test there. Nothing of the host is changed.
"""
import ctypes
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import unittest

from support import BUILD, ROOT, IntegrationTest, main
from tools.lab.lab import Lab, run, wait_until

POLKITD = pathlib.Path("/usr/lib/polkit-1/polkitd")
CLONE_NEWNS = 0x20000
GROUP = 61100
MEMBER, HELD_MEMBER, OTHER, READER = 61101, 61102, 61103, 61104
USERS = {MEMBER: "akm-member", HELD_MEMBER: "akm-held", OTHER: "akm-other", READER: "akm-reader"}
IN_GROUP = (MEMBER, HELD_MEMBER)
# An administrator's own rules, before ours: one user may read, and about another polkit thinks for as long as we like.
LOCAL_RULES = """
polkit.addRule(function(action, subject) {
  if (action.id === "org.akm.node.read" && subject.user === "akm-reader") return polkit.Result.YES;
});
polkit.addRule(function(action, subject) {
  if (action.id === "org.akm.node.change" && subject.user === "akm-held") polkit.spawn(["%s"]);
});
"""
WAIT = """#!/bin/sh
: > '%(folder)s/asked'
while [ -e '%(folder)s/asked' ] && [ ! -e '%(folder)s/go' ]; do sleep 0.02; done
"""


def bind(source, target):
    run("mount", "--bind", source, target)


def enter_private_mounts():
    """From here on this process and what it starts mount and see mounts alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise unittest.SkipTest(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    run("mount", "--make-rprivate", "/")


class Polkit(IntegrationTest):
    needed = ("setpriv", "dbus-send")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not POLKITD.exists():
            raise unittest.SkipTest(f"not installed: {POLKITD}")
        enter_private_mounts()

    def setUp(self):
        lab = Lab(BUILD, nodes=("a",))
        lab.__enter__()
        self.addCleanup(lab.close)
        self.lab, self.node = lab, lab.nodes["a"]
        for folder in (lab.folder, self.node.folder):
            folder.chmod(0o711)  # other users reach the bus
        self.make_users()
        self.make_polkit_files()
        self.node.overrides["bus.polkit"] = True
        self.node.start()

    def make_users(self):
        folder = self.lab.folder / "users"
        folder.mkdir(mode=0o755)
        lines = {"passwd": [f"{name}:x:{uid}:{uid}::/nonexistent:/bin/false" for uid, name in USERS.items()],
                 "group": [f"{name}:x:{uid}:" for uid, name in USERS.items()]
                 + [f"akm:x:{GROUP}:{','.join(USERS[uid] for uid in IN_GROUP)}"]}
        for name, added in lines.items():
            known = [line for line in pathlib.Path("/etc", name).read_text().splitlines() if not line.startswith("akm")]
            (folder / name).write_text("\n".join(known + added) + "\n")
            (folder / name).chmod(0o644)
            bind(folder / name, f"/etc/{name}")
            self.addCleanup(run, "umount", f"/etc/{name}")

    def make_polkit_files(self):
        """What a package would install, and the administrator's rules, in place of what the host has."""
        self.gate = self.lab.folder / "gate"
        self.gate.mkdir()
        shutil.chown(self.gate, pwd.getpwnam("polkitd").pw_uid)
        usr, etc = self.lab.folder / "usr", self.lab.folder / "etc-polkit"
        for folder in (usr / "actions", usr / "rules.d", etc / "rules.d"):
            folder.mkdir(parents=True, mode=0o755)
        files = {usr / "actions/org.akm.policy": (ROOT / "packaging/polkit-1/org.akm.policy").read_text(),
                 usr / "rules.d/50-akm.rules": (ROOT / "packaging/polkit-1/50-akm.rules").read_text(),
                 etc / "rules.d/10-local.rules": LOCAL_RULES % (usr / "wait"),
                 usr / "wait": WAIT % {"folder": self.gate}}
        for path, text in files.items():
            path.write_text(text)
            path.chmod(0o755)
        for source, target in ((usr, "/usr/share/polkit-1"), (etc, "/etc/polkit-1")):
            source.chmod(0o755)
            bind(source, target)
            self.addCleanup(run, "umount", target)

    def start_polkit(self):
        polkit = self.lab.spawn([POLKITD], self.lab.folder / "polkitd.log",
                                {"DBUS_SYSTEM_BUS_ADDRESS": self.node.bus_address})
        wait_until(self.polkit_is_there, f"polkitd on the bus: {(self.lab.folder / 'polkitd.log').read_text()}")
        return polkit

    def polkit_is_there(self):
        asked = run("dbus-send", f"--bus={self.node.bus_address}", "--print-reply", "--dest=org.freedesktop.DBus", "/",
                    "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.PolicyKit1", check=False).stdout
        return "boolean true" in asked

    def argv(self, uid, member):
        groups = ["--groups", str(GROUP)] if uid in IN_GROUP else ["--clear-groups"]
        become = ["setpriv", "--reuid", str(uid), "--regid", str(uid), *groups] if uid else []
        return [*become, "dbus-send", f"--bus={self.node.bus_address}", "--print-reply", "--reply-timeout=60000",
                "--dest=org.akm.Node1", "/org/akm/Node1", member]

    def answer(self, output):
        """(name of the error or None, its text)."""
        error = re.match(r"Error ([\w.]+): (.*)", output.strip(), re.S)
        return (error[1], error[2]) if error else (None, output)

    def call(self, uid, member):
        done = run(*self.argv(uid, f"org.akm.Node1.{member}"), check=False)
        return self.answer(done.stderr if done.returncode else done.stdout)

    def error_of(self, uid, member):
        return self.call(uid, member)[0]

    def hold(self):
        """A call about which polkitd thinks now."""
        held = subprocess.Popen(self.argv(HELD_MEMBER, "org.akm.Node1.Activate"), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        self.lab.processes.append(held)
        wait_until((self.gate / "asked").exists, "polkit is asked")
        return held

    def outcome(self, held):
        out, error = held.communicate(timeout=60)
        return self.answer(error if held.returncode else out)

    REFUSED, ALLOWED = "org.akm.Error.NotAuthorized", "org.akm.Error.NotProvisioned"  # Activate of a fresh node

    def test_without_polkit_root_and_the_group(self):
        self.assertFalse(self.polkit_is_there())
        wanted = {0: None, MEMBER: None, OTHER: self.REFUSED, READER: self.REFUSED}
        self.assertEqual({uid: self.error_of(uid, "GetHardwareIdentity") for uid in wanted}, wanted)

    def test_polkit_decides(self):
        self.start_polkit()
        read = {0: None, MEMBER: None, READER: None, OTHER: self.REFUSED}
        self.assertEqual({uid: self.error_of(uid, "GetHardwareIdentity") for uid in read}, read)
        # The administrator has given one of the actions to the reader, not the others.
        change = {0: self.ALLOWED, MEMBER: self.ALLOWED, READER: self.REFUSED, OTHER: self.REFUSED}
        self.assertEqual({uid: self.error_of(uid, "Activate") for uid in change}, change)
        self.assertEqual(self.error_of(OTHER, "Zeroize"), self.REFUSED)
        self.assertIn("polkit", self.call(OTHER, "Zeroize")[1])

    def test_waiting_for_polkit_blocks_nobody(self):
        self.start_polkit()
        held = self.hold()
        self.assertIsNone(self.error_of(0, "GetHardwareIdentity"))
        self.assertEqual(self.error_of(0, "Activate"), self.ALLOWED)
        self.assertEqual(self.node.status()["state"], "unprovisioned")
        self.assertIsNone(held.poll(), "it waits still")
        (self.gate / "go").touch()
        self.assertEqual(self.outcome(held)[0], self.ALLOWED)

    def test_polkit_killed_over_the_question(self):
        """The caller is in the group, which would let it in if polkit counted as absent."""
        polkit = self.start_polkit()
        held = self.hold()
        polkit.kill()
        name, text = self.outcome(held)
        self.assertEqual(name, self.REFUSED)
        self.assertIn("polkit gave no answer", text)
        (self.gate / "go").touch()
        self.assertEqual(self.error_of(0, "Activate"), self.ALLOWED, "the daemon works on")


if __name__ == "__main__":
    main()
