"""The USB drive as one: QEMU plugs a stick with vfat into a guest with its own kernel, where NMM and node run.

The guest is an initramfs: busybox, the daemons with their libraries, a few kernel modules. Its script is guest_usb.sh.
"""
import gzip
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AKM_BUILD", HERE.parents[1] / "build" / "dev"))
KERNEL = os.environ.get("AKM_VM_KERNEL", "")
NEEDED = ("qemu-system-x86_64", "mkfs.vfat", "mdir", "modprobe", "depmod", "cpio", "dbus-daemon", "busybox", "strip")
MODULES = ("xhci_pci", "usb_storage", "sd_mod", "vfat", "nls_cp437", "nls_ascii", "nls_utf8")
SECONDS = 600
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"""
COMMON = """[sealing]
mode = "software"
[bus]
address = "unix:path=/run/bus"
polkit = false
[log]
target = "text"
[state]
folder = "/tmp/{0}"
"""
NODE = COMMON.format("node") + """[network]
listen = "127.0.0.1:7400"
[probes]
enabled = false
[data]
folder = ""
"""
NMM = COMMON.format("nmm") + """[network]
listen = "127.0.0.1:7401"
advertise = ["127.0.0.1:7401"]
"""


def output(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True).stdout


class Guest:
    """The files of the initramfs, and QEMU."""

    def __init__(self, folder, kernel):
        self.folder, self.kernel = folder, kernel
        self.root = folder / "root"
        self.release = next((kernel / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")
        self.stick = folder / "stick.img"
        self.console = folder / "console"
        self.process = None

    def put(self, source, target, executable=True):
        place = self.root / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
        if executable:
            place.chmod(0o755)
            subprocess.run(["strip", "--strip-debug", place], capture_output=True, check=False)

    def put_program(self, path):
        self.put(path, f"/bin/{path.name}")
        for line in output("ldd", path).splitlines():
            library = next((word for word in line.split() if word.startswith("/")), None)
            if library and not (self.root / library.lstrip("/")).exists():
                self.put(library, library)

    def put_modules(self):
        if not (self.kernel / "lib/modules" / self.release / "modules.dep").exists():
            output("depmod", "-b", self.kernel, self.release)
        order = []
        for module in MODULES:
            needed = output("modprobe", "-d", self.kernel, "-S", self.release, "--show-depends", module)
            for line in needed.splitlines():
                path = pathlib.Path(line.split()[1]) if line.startswith("insmod") else None
                if path and path.name not in order:
                    self.put(path, f"/modules/{path.name}", executable=False)
                    order.append(path.name)
        (self.root / "modules/order").write_text("".join(f"{name}\n" for name in order))

    def make(self):
        for name in ("proc", "sys", "dev", "tmp", "run", "etc", "bin", "modules"):
            (self.root / name).mkdir(parents=True)
        for name in ("akmd", "akm-nmmd", "akmctl"):
            self.put_program(BUILD / "bin" / name)
        self.put_program(pathlib.Path(shutil.which("dbus-daemon")))
        self.put(shutil.which("busybox"), "/bin/busybox")
        self.put(HERE / "guest_usb.sh", "/init")
        (self.root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
        (self.root / "etc/group").write_text("root:x:0:\n")
        (self.root / "etc/machine-id").write_text("0" * 31 + "1\n")
        (self.root / "dbus.conf").write_text(BUS)
        (self.root / "node.toml").write_text(NODE)
        (self.root / "nmm.toml").write_text(NMM)
        self.put_modules()
        names = "\n".join(str(path.relative_to(self.root)) for path in sorted(self.root.rglob("*")))
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=self.root, input=names.encode(),
                                 capture_output=True, check=True).stdout
        (self.folder / "initrd.gz").write_bytes(gzip.compress(archive, 1))
        output("truncate", "-s", "16M", self.stick)
        output("mkfs.vfat", "-n", "STICK", self.stick)

    def start(self):
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024",
             "-nographic", "-nodefaults", "-no-user-config", "-no-reboot",
             "-uuid", "4c4c4544-0000-4a10-8000-000000000001",
             "-kernel", str(self.kernel / "boot" / f"vmlinuz-{self.release}"),
             "-initrd", str(self.folder / "initrd.gz"),
             "-append", "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off",
             "-serial", f"file:{self.console}", "-monitor", "none",
             "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off",
             "-blockdev", f"driver=raw,node-name=stick,file.driver=file,file.filename={self.stick}",
             "-device", "qemu-xhci,id=xhci",
             "-device", "usb-storage,bus=xhci.0,drive=stick,id=usb,removable=on,serial=AKM0001"])

    def said(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def wait_for(self, *words):
        """The console once it has one of them, or all that it said when the guest has ended."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            text = self.said()
            if any(word in text for word in words):
                return text
            if self.process.poll() is not None:
                return self.said()
            time.sleep(0.2)
        return self.said()

    def command(self, name, **arguments):
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.folder / "qmp"))
            lines = monitor.makefile("rw")
            lines.readline()
            for request in ({"execute": "qmp_capabilities"}, {"execute": name, "arguments": arguments}):
                lines.write(json.dumps(request) + "\n")
                lines.flush()
                answer = json.loads(lines.readline())
                while "event" in answer:
                    answer = json.loads(lines.readline())
                if "error" in answer:
                    raise RuntimeError(answer["error"])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class UsbInAMachine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = [program for program in NEEDED if shutil.which(program) is None]
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")
        if not list(pathlib.Path(KERNEL or "/nonexistent").glob("boot/vmlinuz-*")):
            raise unittest.SkipTest("AKM_VM_KERNEL names no unpacked kernel package (apt-get download, dpkg-deb -x)")
        if subprocess.run(["ldd", shutil.which("busybox")], capture_output=True, check=False).returncode == 0:
            raise unittest.SkipTest("busybox-static is needed")

    def test_stick(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="akm-vm-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        guest = Guest(folder, pathlib.Path(KERNEL))
        guest.make()
        self.addCleanup(guest.stop)
        guest.start()
        self.assertIn("UNPLUG", guest.wait_for("UNPLUG", "RESULT failed"))
        self.assertIn("a.akmbundle", output("mdir", "-b", "-i", guest.stick, "::"))
        guest.command("device_del", id="usb")
        self.assertIn("\nPLUG", guest.wait_for("\nPLUG", "RESULT failed"))
        guest.command("device_add", driver="usb-storage", bus="xhci.0", drive="stick", id="usb2", removable=True,
                      serial="AKM0001")
        said = guest.wait_for("RESULT active", "RESULT failed")
        self.assertIn("RESULT active", said)
        self.assertIn("RESULT removable 1", said)
        self.assertIn("(5 tries left): akmctl node provision --from /dev/sda/a.akmbundle", said)
        self.assertIn("4 tries remain", said)
        guest.process.wait(timeout=60)
        names = output("mdir", "-b", "-i", guest.stick, "::")
        self.assertIn("a.akmreceipt", names)
        self.assertNotIn("a.akmbundle", names)


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=2)
    if not program.result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if program.result.testsRun == len(program.result.skipped) else 0)
