"""Keys for consumers: a program of another user gets a key by its serial, on real daemons and the real keyring."""
import os
import pathlib
import re
import shutil
import subprocess
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, LabError, run, wait_until

USER, STRANGER = 65534, 1  # nobody, daemon: a bus takes users that the machine knows
# What is told of a key whose serial is watched (KEYCTL_WATCH_KEY): prints "none" where the kernel cannot.
WATCH = r"""
import ctypes, fcntl, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
fds = (ctypes.c_int * 2)()
if libc.pipe2(fds, os.O_EXCL | os.O_CLOEXEC) != 0:
    sys.exit(print("none:", os.strerror(ctypes.get_errno())))
fcntl.ioctl(fds[0], 0x5760, 8)
if libc.syscall(250, 32, int(sys.argv[1]), fds[0], 1) != 0:
    sys.exit(print("none:", os.strerror(ctypes.get_errno())))
print("watching", flush=True)
kind, info, key, aux = struct.unpack("=IIII", os.read(fds[0], 16))
print("told", kind >> 24, key, flush=True)
"""


class Consumer:
    """A shell of a user with a session keyring of its own: what it runs possesses what its programs put there."""

    def __init__(self, case, lab, node, user=USER):
        self.lab, self.node = lab, node
        self.program = lab.folder / "consumer"
        argv = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "keyctl", "session", "-", "sh"]
        self.shell = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, bufsize=1, cwd="/")
        case.addCleanup(self.close)

    def close(self):
        """The session ends, and with it its keyring."""
        self.shell.stdin.close()
        self.shell.wait(timeout=20)
        self.shell.stdout.close()

    def run(self, command):
        """(exit code, output) of a command of the shell."""
        self.shell.stdin.write(f"{command}; printf '\\n==%s\\n' $?\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.startswith("=="):
                return int(line[2:]), "\n".join(one for one in lines if "session keyring" not in one).strip()
            lines.append(line.rstrip("\n"))
        raise LabError(f"the consumer's shell ended: {lines}")

    def export(self, *arguments, program=None):
        return self.run(f"{program or self.program} --bus {self.node.bus_address} asr export-key asr-1 "
                        + " ".join(arguments))

    def key(self, *arguments):
        code, out = self.export(*arguments)
        if code != 0 or not out.isdigit():
            raise LabError(f"no key: {code} {out}")
        return int(out)

    def read(self, serial):
        """The key's bytes in hex, or what the kernel says instead."""
        code, out = self.run(f"keyctl read {serial}")
        return "".join(out.split("\n", 1)[1].split()) if code == 0 else out


class ExportKey(IntegrationTest):
    needed = ("setpriv", "dbus-monitor")

    def lab_of(self, **policy):
        """Two members whose nodes let the consumer have keys."""
        lab = Lab(BUILD, nodes=("a", "b"))
        self.addCleanup(lab.close)
        lab.__enter__()
        for name in ("consumer", "other"):
            shutil.copy(lab.program("akmctl"), lab.folder / name)
            os.chmod(lab.folder / name, 0o755)
        os.chmod(lab.folder, 0o711)
        for node in lab.nodes.values():
            os.chmod(node.folder, 0o711)
            entry = {"asr": "asr-1", "user": str(USER), "executable": str(lab.folder / "consumer")}
            node.consumers = [{"name": "vpn", "types": ["user", "logon"]} | entry,
                              {"name": "readable", "types": ["user"], "key_bytes": 64} | entry,
                              {"name": "disk", "types": ["logon"], "key_bytes": 64} | entry | {"user": "root"}]
        cluster.activate_all(lab)
        cluster.create(lab, **policy)
        return lab

    def monitor(self, lab, node):
        out = lab.folder / f"{node.name}.monitor"
        lab.spawn(["dbus-monitor", "--address", node.bus_address, "type='signal',interface='org.akm.Asr1'"], out)
        wait_until(lambda: out.exists() and "NameAcquired" in out.read_text(), "dbus-monitor")
        return lambda member: re.findall(rf"member={member}\n((?:   .*\n)+)", out.read_text())

    def shown(self, node):
        return node.asr("asr-1")["exported_keys"]

    def test_the_story_of_a_key(self):
        lab = self.lab_of()
        a, b = lab.nodes["a"], lab.nodes["b"]
        on_a, on_b = Consumer(self, lab, a), Consumer(self, lab, b)
        signals = self.monitor(lab, a)
        serial, of_b = on_a.key("vpn"), on_b.key("vpn")
        value = on_a.read(serial)
        self.assertRegex(value, r"^[0-9a-f]{64}$")
        self.assertEqual(value, on_b.read(of_b), "the members' keys")
        self.assertEqual(on_a.key("vpn"), serial, "asked again")
        others = [on_a.read(on_a.key("vpn", "--context", context)) for context in ("00", "0000")]
        others += [on_a.read(on_a.key("readable"))[:64]]
        self.assertEqual(len({value, *others}), 4, "one for each name and context")
        self.assertEqual(on_b.read(on_b.key("vpn", "--context", "00")), others[0])
        for_kernel = on_a.key("vpn", "--type", "logon")
        self.assertNotRegex(on_a.read(for_kernel), r"^[0-9a-f]{64}$")
        self.assertEqual({key["type"] for key in self.shown(a)}, {"user", "logon"})
        self.assertIn("Exported keys:", a.akmctl("asr", "show", "asr-1").stdout)
        self.foreigners(lab, a, serial)
        self.kernel_consumer(on_a, on_b, a.asr("asr-1")["id"])

        # A rekey: the same serial, another key, the same on both, and it is said.
        before = cluster.agreed(lab, "ab", "asr-1")
        watching = self.watch(on_a, serial)
        a.akmctl("asr", "rekey", "asr-1")
        generation, epoch, _ = cluster.wait_agreed(lab, "ab", "asr-1", epoch=before[1] + 1)
        renewed = on_a.read(serial)
        self.assertRegex(renewed, r"^[0-9a-f]{64}$")
        self.assertNotEqual(renewed, value)
        self.assertEqual(renewed, on_b.read(of_b))
        wait_until(lambda: any(f"int32 {serial}\n   uint32 {generation}\n   uint32 {epoch}\n" in text
                               for text in signals("KeyRenewed")), "the signal KeyRenewed")
        watching()

        # A new generation likewise.
        lab.nmm.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(lab, "ab", "asr-1", generation=generation + 1)
        self.assertEqual(on_a.read(serial), on_b.read(of_b))
        self.assertNotIn(on_a.read(serial), (value, renewed))
        self.assertEqual({a.status()["state"], b.status()["state"]}, {"active"}, "the use of a key is no breach")

        # Released by one: gone for it.
        self.assertEqual(on_b.run(f"{on_b.program} --bus {b.bus_address} asr release-key asr-1 {of_b}")[0], 0)
        self.assertIn("revoked", on_b.read(of_b))

        # A breach.
        listing = run("keyctl", "list", a.status()["keyring"]).stdout
        session = re.search(r"^ *(\d+):.*:asr:\w+:current$", "\n".join(
            line for line in listing.splitlines() if a.asr("asr-1")["id"] in line), re.M).group(1)
        run("keyctl", "read", session, check=False)
        wait_until(lambda: a.status()["state"] == "quarantined", "quarantine of a")
        for one in (serial, for_kernel):
            self.assertIn("revoked", on_a.run(f"keyctl describe {one}")[1])
            wait_until(lambda: any(f"int32 {one}\n" in text for text in signals("KeyRevoked")), "the signal KeyRevoked")
        self.assertNotEqual(on_a.export("vpn")[0], 0)

    def foreigners(self, lab, a, serial):
        """Who else asks or looks: nothing for them."""
        stranger = Consumer(self, lab, a, STRANGER)
        same_user = Consumer(self, lab, a)
        root = Consumer(self, lab, a, 0)
        for consumer, arguments, program in ((stranger, ["vpn"], None), (root, ["vpn"], None),
                                             (same_user, ["other"], None),
                                             (same_user, ["disk", "--type", "logon"], None),
                                             (same_user, ["readable", "--type", "logon"], None),
                                             (same_user, ["vpn"], lab.folder / "other")):
            code, out = consumer.export(*arguments, program=program)
            self.assertEqual(code, 4, (arguments, out))
        for consumer in (stranger, same_user, root):
            self.assertIn("denied", consumer.read(serial), "it is possessed by one session alone")
        self.assertEqual(a.status()["state"], "active")

    def kernel_consumer(self, on_a, on_b, asr_id):
        """The kernel's own use of the key: what one node's has encrypted, the other's decrypts."""
        master = f"user:akm:{asr_id}:vpn"
        code, out = on_a.run(f"keyctl add encrypted data 'new {master} 32' @s")
        if "No such device" in out or "not supported" in out:
            return print(f"not tested: this kernel has no encrypted keys ({out})", flush=True)
        self.assertEqual(code, 0, out)
        blob = on_a.run(f"keyctl pipe {out}")[1]
        self.assertIn(master, blob)
        code, out = on_b.run(f"keyctl add encrypted data 'load {blob}' @s")
        self.assertEqual(code, 0, out)
        forged = blob[:-1] + ("0" if blob[-1] != "0" else "1")
        self.assertNotEqual(on_b.run(f"keyctl add encrypted forged 'load {forged}' @s")[0], 0)

    def watch(self, consumer, serial):
        """Watches the key; what it returns checks that the watcher was told."""
        script = consumer.lab.folder / "watch.py"
        script.write_text(WATCH)
        os.chmod(script, 0o644)
        out = consumer.lab.folder / "watch.out"
        out.touch()
        os.chmod(out, 0o666)
        consumer.run(f"(/usr/bin/python3 {script} {serial} > {out} 2>&1 &)")
        wait_until(lambda: out.read_text(), "the watcher")
        if "none" in out.read_text():
            print(f"not tested: KEYCTL_WATCH_KEY ({out.read_text().strip()})", flush=True)
            return lambda: None
        return lambda: wait_until(lambda: f" {serial}\n" in out.read_text(), "a notification of the renewal")

    def test_a_dead_daemon_leaves_no_live_key(self):
        lab = self.lab_of(rekey_interval_s=4)
        a = lab.nodes["a"]
        consumer = Consumer(self, lab, a)
        serial = consumer.key("vpn")
        a.kill()
        killed = time.monotonic()
        left = next(line.split()[3] for line in pathlib.Path("/proc/keys").read_text().splitlines()
                    if line.startswith(f"{serial:08x}"))
        self.assertRegex(left, r"^\d+[ms]$", "it has a timeout")
        wait_until(lambda: "xpired" in consumer.read(serial), "the end of the dead daemon's key", 90, 1)
        print(f"the key of a killed daemon ended after {time.monotonic() - killed:.0f} s", flush=True)
        # A start of the daemon: a new serial, which the consumer asks for.
        a.start()
        cluster.wait_agreed(lab, "ab", "asr-1")
        again = wait_until(lambda: (lambda r: int(r[1]) if r[0] == 0 else None)(consumer.export("vpn")), "a new key")
        self.assertNotEqual(again, serial)
        self.assertRegex(consumer.read(again), r"^[0-9a-f]{64}$")
        # An orderly end revokes.
        a.stop()
        self.assertIn("revoked", consumer.read(again))

    def test_it_ends_with_the_keyring_that_it_was_put_into(self):
        lab = self.lab_of()
        a = lab.nodes["a"]
        consumer = Consumer(self, lab, a)
        consumer.key("vpn")
        self.assertEqual(len(self.shown(a)), 1)
        consumer.close()

        def gone():
            a.akmctl("asr", "rekey", "asr-1")
            return not self.shown(a)
        wait_until(gone, "the end of a key that nobody holds", 30, 0.5)

    def test_disk_encryption(self):
        """dm-crypt takes its key from a logon key of either member."""
        if shutil.which("dmsetup") is None or not os.path.exists("/dev/mapper/control"):
            self.skipTest("this kernel or machine has no device mapper: dm-crypt is not tested")
        lab = self.lab_of()
        asr_id = lab.nodes["a"].asr("asr-1")["id"]
        image = lab.folder / "image"
        image.write_bytes(b"\0" * (1 << 20))
        loop = run("losetup", "--find", "--show", image).stdout.strip()
        self.addCleanup(run, "losetup", "--detach", loop, check=False)
        seen = []
        for node in lab.nodes.values():
            consumer = Consumer(self, lab, node, 0)
            consumer.key("disk", "--type", "logon")
            table = f"0 2048 crypt aes-xts-plain64 :64:logon:akm:{asr_id}:disk 0 {loop} 0"
            name = f"{lab.prefix}-{node.name}"
            code, out = consumer.run(f"dmsetup create {name} --table '{table}'")
            self.assertEqual(code, 0, out)
            seen.append(pathlib.Path(f"/dev/mapper/{name}").read_bytes())
            run("dmsetup", "remove", name)
        self.assertEqual(seen[0], seen[1])
        self.assertNotEqual(seen[0], image.read_bytes())


if __name__ == "__main__":
    main()
