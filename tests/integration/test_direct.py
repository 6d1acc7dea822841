"""A node gets its credentials over its D-Bus through a program (as ssh would) and over TCP: sealed to a key of the
node's, whose fingerprint is compared, since such a connection passes no descriptors and may end at somebody else."""
import shutil
import subprocess
import sys
from pathlib import Path

from support import BUILD, IntegrationTest, main
from tools.lab.lab import Lab, run, wait_until

# Takes the arguments of ssh, and reaches the "host" through its namespace instead of a network login.
BRIDGE = """#!/bin/sh
# -xT -- HOST systemd-stdio-bridge
[ "$1" = -xT ] && [ "$2" = -- ] && [ "$4" = systemd-stdio-bridge ] || exit 9
exec nsenter --net=/run/netns/{prefix}-"$3" systemd-stdio-bridge --bus-path=unix:path={folder}/"$3"/bus
"""
# A real server in the node's namespace, with keys of this test alone. What it runs is its own to say.
SSHD = """
Port 2222
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
ForceCommand exec systemd-stdio-bridge --bus-path=unix:path={bus}
"""
# ssh takes its home from the password file, so that a configuration of its own has to be named.
SSH = """#!/bin/sh
exec ssh -F {folder}/ssh_config "$@"
"""
SSH_CONFIG = """
Host a
  HostName {address}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  HostKeyAlias a
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 10
"""
# One connection, each byte both ways, in the node's namespace.
TCP = """
import socket, subprocess, sys
server = socket.create_server((sys.argv[1], 7777))
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    subprocess.run(["systemd-stdio-bridge", "--bus-path=unix:path=" + sys.argv[2]], stdin=peer, stdout=peer)
    peer.close()
"""


class Direct(IntegrationTest):
    needed = ("systemd-stdio-bridge",)

    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.a, self.b = self.lab.nmm, self.lab.nodes["a"], self.lab.nodes["b"]
        self.bridge = self.lab.folder / "ssh"
        self.bridge.write_text(BRIDGE.format(prefix=self.lab.prefix, folder=self.lab.folder))
        self.bridge.chmod(0o755)
        self.nmm.overrides |= {"direct.exec": [str(self.bridge)], "direct.hosts": ["a"], "direct.tcp": True}

    def start(self):
        for host in self.lab.hosts:
            host.start()
        self.nmm.akmctl("nmm", "init")

    def provision(self, node, address, *arguments):
        return self.nmm.akmctl("nmm", "provision", node.name, "--bus-address", address, "--endpoint", node.endpoint,
                               *arguments, check=False)

    def listed(self):
        return [node["name"] for node in self.nmm.json("nmm", "nodes")]

    def test_over_a_program(self):
        self.start()
        address = (f"unixexec:path={self.bridge},argv1=-xT,argv2=--,argv3=a,argv4=systemd-stdio-bridge")
        # Nobody has compared, or compared and found another: nothing is sent, no serial is used up.
        for arguments in ((), ("--fingerprint", "00000-00000-00000-00000")):
            done = self.provision(self.a, address, *arguments)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("nothing was sent", done.stderr)
            self.assertEqual(self.a.status()["state"], "unprovisioned")
        self.assertEqual(self.listed(), [])
        # Both sides show the same; the node shows it to whoever looks.
        shown = self.a.status()["handover_fingerprint"]
        self.assertRegex(shown, "^([0-9A-Z]{5}-){3}[0-9A-Z]{5}$")
        self.assertIn(shown, self.a.akmctl("node", "status").stdout)
        waiting = subprocess.Popen(self.a.akmctl_argv("node", "provision", "--wait"), stdout=subprocess.PIPE, text=True)
        self.addCleanup(waiting.kill)
        self.assertIn(shown, waiting.stdout.readline())
        done = self.provision(self.a, "ssh:a", "--fingerprint", shown.lower().replace("-", ""))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(shown, done.stdout)
        self.assertIn("Provisioned as 'a'", waiting.communicate(timeout=60)[0])
        wait_until(lambda: self.a.status()["state"] == "active", "a is active")
        self.assertEqual(self.a.status()["handover_fingerprint"], "", "the key was for one bundle")

    def start_sshd(self):
        """The folder of its keys; the client's are there too."""
        folder = self.lab.folder / "sshd"
        folder.mkdir(mode=0o700)
        for name in ("host_key", "user_key", "other_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        known = {"address": self.a.address, "folder": folder, "bus": self.a.bus_socket}
        for name, text in (("sshd_config", SSHD), ("ssh", SSH), ("ssh_config", SSH_CONFIG)):
            (folder / name).write_text(text.format(**known))
        (folder / "ssh").chmod(0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # built into sshd: where it separates its privileges
        log = self.lab.folder / "sshd.log"
        self.lab.spawn(self.lab.inside(self.a.namespace, "/usr/sbin/sshd", "-D", "-e", "-f", folder / "sshd_config"),
                       log)
        wait_until(lambda: log.exists() and "listening" in log.read_text(), "sshd of a")
        return folder

    def test_over_sshd(self):
        if not Path("/usr/sbin/sshd").exists():
            self.skipTest("needs sshd (openssh-server)")
        folder = self.start_sshd()
        self.nmm.overrides |= {"direct.exec": [str(folder / "ssh")]}
        self.start()

        def knows(key):
            kind, text = (folder / (key + ".pub")).read_text().split()[:2]
            (folder / "known_hosts").write_text(f"[a]:2222 {kind} {text}\n" + f"a {kind} {text}\n")

        # Another machine answers at the address: ssh ends there, and nothing is sent.
        knows("other_key")
        done = self.provision(self.a, "ssh:root@a:2222", "--yes")
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(self.a.status()["state"], "unprovisioned")
        self.assertEqual(self.listed(), [])
        knows("host_key")
        refused = self.provision(self.a, "ssh:root@a:2222")
        self.assertIn("nothing was sent", refused.stderr)
        shown = self.a.status()["handover_fingerprint"]
        done = self.provision(self.a, "ssh:root@a:2222", "--fingerprint", shown)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.a.status()["state"] == "active", "a is active")
        self.assertIn("Accepted publickey for root", (self.lab.folder / "sshd.log").read_text())

    def test_what_may_be_opened_is_policy(self):
        self.start()
        for address, why in (("unixexec:path=/bin/sh,argv1=-c,argv2=id", "a bus address is"),
                             ("unixexec:path=/bin/cat,argv1=-xT,argv2=--,argv3=a,argv4=systemd-stdio-bridge",
                              "direct.exec"),
                             ("ssh:b", "direct.hosts"), ("ssh:-oProxyCommand=id", "a bus address is")):
            done = self.provision(self.b, address, "--yes")
            self.assertNotEqual(done.returncode, 0, address)
            self.assertIn(why, done.stderr)
        self.assertEqual(self.listed(), [])

    def test_over_tcp(self):
        self.start()
        log = self.lab.folder / "tcp.log"
        self.lab.spawn(self.lab.inside(self.b.namespace, sys.executable, "-c", TCP, self.b.address,
                                       self.b.bus_socket), log)
        wait_until(lambda: log.exists() and "listening" in log.read_text(), "the bridge of b")
        capture = self.lab.folder / "tcp.pcap"
        self.lab.spawn(self.lab.inside(self.nmm.namespace, "tcpdump", "-i", "eth0", "-U", "--immediate-mode",
                                       "-Z", "root", "-w", capture, "tcp"), self.lab.folder / "tcpdump.log")
        wait_until(lambda: capture.exists() and capture.stat().st_size >= 24, "packet capture")
        address = f"tcp:host={self.b.address},port=7777"
        refused = self.provision(self.b, address)
        self.assertNotEqual(refused.returncode, 0)
        shown = self.b.status()["handover_fingerprint"]
        done = self.provision(self.b, address, "--fingerprint", shown)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.b.status()["state"] == "active", "b is active")
        wait_until(lambda: b"ProvisionSealed" in capture.read_bytes(), "the call in the capture")
        seen = capture.read_bytes()
        self.assertNotIn(b"provisioning_asr", seen)
        self.assertNotIn(b"rekey_interval_s", seen, "the content's policy would be in the clear")


if __name__ == "__main__":
    main()
