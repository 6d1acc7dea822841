"""What user space sees of a breach, on real daemons: attacks make their detection, harmless acts beside them do not."""
import contextlib
import pathlib
import sys
import time

from support import BUILD, IntegrationTest, main
from results import Book
from tools.lab import cluster, tpm
from tools.lab.demo import Watcher
from tools.lab.lab import Lab, run, wait_until

SYSCTL = pathlib.Path("/proc/sys/kernel/kptr_restrict")
UNITS = pathlib.Path("/run/systemd/transient")
QUICK = {"watch.interval_s": 5, "watch.tpm_interval_s": 10, "watch.hardware_interval_s": 10, "watch.scan_rate": 1}
CAPTURE = """import socket, struct, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex("eth0"), 1, 0, b""))  # PACKET_MR_PROMISC
time.sleep(60)
"""
KNOCK = """import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(20000, 21000):
    s.sendto(b"x", ("127.0.0.1", port))
    if port % 50 == 0: time.sleep(0.01)
"""


ASK = """import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 20000))
"""
CLASSES = {"D9": "tpm-access", "D11": "hiding-mount", "D13": "hardening-weakened", "D19": "service-tampering",
           "D22": "hardware-changed", "D25": "packet-capture", "D33": "tamper-input"}


class UserSpace(IntegrationTest):
    def setUp(self):
        self.undo = contextlib.ExitStack()
        self.addCleanup(self.undo.close)
        self.undo.callback(lambda: self.watcher.process.stdout.close())  # when the lab has ended the process
        self.lab = self.undo.enter_context(Lab(BUILD, nodes=("a",)))
        self.node, self.nmm = self.lab.nodes["a"], self.lab.nmm
        self.uuid = self.node.folder / "sys/class/dmi/id/product_uuid"
        before = SYSCTL.read_text().strip()
        self.undo.callback(SYSCTL.write_text, before)
        self.weaker = before if before in ("0", "1") else "1"
        SYSCTL.write_text("2")
        if not UNITS.is_dir():
            UNITS.mkdir(parents=True)
            self.undo.callback(UNITS.rmdir)
        self.pin = self.node.folder / "gpio"
        self.pin.write_text("0\n")
        # The sensor of the kernel would see some of it too.
        self.node.overrides = QUICK | {"probes.enabled": False, "watch.tamper_inputs": [str(self.pin)]}
        self.nmm.overrides = dict(QUICK)
        cluster.activate_all(self.lab)
        self.watcher = Watcher(self.node)

    def inside(self, *argv):
        return self.lab.spawn(self.lab.inside(self.node.namespace, *argv), self.node.folder / "inside.log")

    def harmless(self):
        elsewhere = self.lab.folder / "elsewhere"
        elsewhere.mkdir()
        run("mount", "-t", "tmpfs", "none", elsewhere)
        self.undo.callback(run, "umount", elsewhere)
        run("ip", "-n", self.node.namespace, "link", "add", "v0", "type", "veth", "peer", "name", "v1")
        other = UNITS / "other-watch-test.service"
        other.write_text("[Service]\n")
        self.undo.callback(other.unlink)
        SYSCTL.read_text()
        self.pin.write_text("0\n")
        self.uuid.write_text(self.uuid.read_text())
        tpm.extend_pcr(self.node, 16)  # the one for anybody's use
        tpm.suspend(self.node)
        self.inside(sys.executable, "-c", ASK)

    def attack(self):
        run("mount", "-t", "tmpfs", "none", self.node.etc)
        self.undo.callback(run, "umount", self.node.etc, check=False)
        unit = UNITS / "akm-watch-test.service"
        unit.symlink_to("/dev/null")
        self.undo.callback(unit.unlink, missing_ok=True)
        self.inside(sys.executable, "-c", CAPTURE)
        self.inside(sys.executable, "-c", KNOCK)
        self.pin.write_text("1\n")
        self.uuid.write_text("4c4c4544-0000-4a10-8000-00000000beef\n")
        tpm.lock_out(self.node)
        SYSCTL.write_text(self.weaker)

    def test_each_is_told_with_what_changed_and_its_end_is(self):
        book = Book("watch")
        self.harmless()
        time.sleep(11)  # longer than each interval of QUICK
        self.assertNotIn("AKM_CLASS=", self.node.log.read_text(), "nothing of that is a detection")
        for row in (*CLASSES, "D23", "D26"):
            book.silent(row, "what belongs there, left as it is")
        self.attack()
        told = {name: self.watcher.wait("evidence-detected", 60, **{"class": name})["fields"]
                for name in CLASSES.values()}
        self.assertTrue(told["hiding-mount"]["after"].startswith("tmpfs none"))
        self.assertEqual(told["service-tampering"]["after"], "masked (-> /dev/null)")
        self.assertEqual((told["hardening-weakened"]["before"], told["hardening-weakened"]["after"]),
                         ("2", self.weaker))
        self.assertEqual(told["hardware-changed"]["what"], "dmi-product-uuid")
        self.assertIn(told["tpm-access"]["what"], ("lockout-counter", "in-lockout"))
        wait_until(lambda: "AKM_CLASS=network-scan" in self.node.log.read_text(), "the scan in the log", 60)
        for row, name in (*CLASSES.items(), ("D26", "network-scan")):
            book.detected(row, name)
        self.assertEqual(self.node.status()["state"], "active", "evidence costs no membership")
        # The NMM's own machine is this one too.
        wait_until(lambda: "AKM_CLASS=service-tampering" in self.nmm.log.read_text(), "the same on the NMM", 60)

        count = self.node.log.read_text().count("AKM_CLASS=hiding-mount")
        run("umount", self.node.etc)
        wait_until(lambda: self.node.log.read_text().count("AKM_CLASS=hiding-mount") == count + 1, "its end", 60)
        self.assertIn("AKM_CHANGE=back", self.node.log.read_text())

    def test_another_machine(self):
        """A reset that no boot explains, parts and keys that are others: while it does not run, and while it does."""
        book = Book("watch-machine")

        def told(name):
            wait_until(lambda: f"AKM_CLASS={name}" in self.node.log.read_text(), name, 60)
        self.node.stop()
        self.uuid.write_text("4c4c4544-0000-4a10-8000-00000000cafe\n")
        tpm.reset(self.node)
        self.node.log.write_text("")
        self.node.start()
        for row, name in (("D22", "hardware-changed"), ("D23", "tpm-interposed")):
            told(name)
            book.detected(row, f"{name}, while it did not run", around=True)
        self.node.log.write_text("")
        tpm.reset(self.node)
        told("tpm-interposed")
        self.assertIn("AKM_GRADE=critical", self.node.log.read_text())
        book.detected("D23", "tpm-interposed")
        self.node.replace_tpm()
        told("identity-changed")
        book.detected("D22", "identity-changed")


if __name__ == "__main__":
    main()
