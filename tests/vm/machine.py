"""A guest under QEMU: Debian's kernel and an initramfs with busybox, our programs, their libraries and one script.

Nothing of the host is mounted. What the guest has to say goes to its second serial port, a line each; the first is the
kernel's console. It has a TPM of its own (swtpm behind tpm-crb) where a test asks for one.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import kernels

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("AKM_BUILD", HERE.parents[1] / "build" / "dev"))
NEEDED = ("qemu-system-x86_64", "swtpm", "modprobe", "cpio", "dbus-daemon", "busybox", "strip", "ldd")
FOLDERS = ("proc", "sys", "dev", "tmp", "run", "etc", "bin", "modules", "lib64", "etc/systemd/system")
LSM = "landlock,lockdown,yama,integrity,apparmor,bpf"
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/></policy></busconfig>
"""


def output(*argv):
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True).stdout


def why_not(*more):
    """What this machine lacks to run a guest, in words, or None."""
    missing = [program for program in (*NEEDED, *more) if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (tools/install-packages vm)"
    if subprocess.run(["ldd", shutil.which("busybox")], capture_output=True, check=False).returncode == 0:
        return "busybox-static is needed (tools/install-packages vm)"
    return None


class Image:
    """The files of an initramfs. Not compressed: unpacking costs more under emulation than reading."""

    def __init__(self, folder, kernel):
        self.folder, self.kernel = folder, kernel
        self.root = folder / "root"
        self.release = kernels.release(kernel)
        for name in FOLDERS:
            (self.root / name).mkdir(parents=True)
        self.put(shutil.which("busybox"), "/bin/busybox")
        self.put(HERE / "guest/init.sh", "/init")
        self.put(HERE / "guest/common.sh", "/common.sh")
        self.write("/etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        self.write("/etc/group", "root:x:0:\n")
        self.write("/etc/machine-id", "0" * 31 + "1\n")
        self.write("/dbus.conf", BUS)

    def put(self, source, target, executable=True):
        place = self.root / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
        if executable:
            place.chmod(0o755)
            subprocess.run(["strip", "--strip-debug", place], capture_output=True, check=False)

    def write(self, target, text):
        place = self.root / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def put_program(self, path):
        """With the libraries that it is linked with."""
        self.put(path, f"/bin/{path.name}")
        for line in output("ldd", path).splitlines():
            library = next((word for word in line.split() if word.startswith("/")), None)
            if library:
                self.put_library(library)

    def put_library(self, library):
        if not (self.root / library.lstrip("/")).exists():
            self.put(library, library)

    def put_plugin(self, name):
        """A library that is loaded by name, with what it needs."""
        path = next(line.split()[-1] for line in output("/sbin/ldconfig", "-p").splitlines()
                    if line.split()[:1] == [name] and "x86-64" in line)
        for line in [path, *output("ldd", path).split()]:
            if line.startswith("/"):
                self.put_library(line)

    def put_daemons(self):
        for name in ("akmd", "akm-nmmd", "akmctl"):
            self.put_program(BUILD / "bin" / name)
        self.put_program(pathlib.Path(shutil.which("dbus-daemon")))

    def put_modules(self, *names):
        """In the order in which they have to be loaded."""
        order = []
        for module in names:
            needed = output("modprobe", "-d", self.kernel, "-S", self.release, "--show-depends", module)
            for line in needed.splitlines():
                path = pathlib.Path(line.split()[1]) if line.startswith("insmod") else None
                if path and path.name not in order:
                    self.put(path, f"/modules/{path.name}", executable=False)
                    order.append(path.name)
        self.write("/modules/order", "".join(f"{name}\n" for name in order))

    def pack(self, script):
        """Writes the archive; `script`, a file of tests/vm/guest, is what the guest runs."""
        self.put(HERE / "guest" / script, "/script")
        names = "\n".join(str(path.relative_to(self.root)) for path in sorted(self.root.rglob("*")))
        with open(self.folder / "initrd", "wb") as archive:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=self.root, input=names.encode(), stdout=archive,
                           check=True)
        return self.folder / "initrd"


class Machine:
    """QEMU, and swtpm beside it. Kills, at the end, what it started."""

    def __init__(self, image, initrd, lsm=LSM, append="", tpm=False, devices=(), number=1, folder=None):
        """`number`: what its hardware is told apart by; `folder`: its own files, where two machines have one image."""
        self.folder = folder or image.folder
        self.console, self.report = self.folder / "console", self.folder / "report"
        self.monitor = self.folder / "qmp"
        self.argv = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi",
                     # Without cx16=off QEMU 7.2 crashes Linux 6.12 at random (cmpxchg16b).
                     "-cpu", "Westmere,cx16=off", "-smp", "2", "-m", "1024",
                     "-nographic", "-nodefaults", "-no-user-config", "-no-reboot",
                     "-uuid", f"4c4c4544-0000-4a10-8000-{number:012d}",
                     "-kernel", image.kernel / "boot" / f"vmlinuz-{image.release}", "-initrd", initrd,
                     "-append", "console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable mitigations=off "
                                f"lsm={lsm} {append}",
                     "-serial", f"file:{self.console}", "-serial", f"file:{self.report}",
                     "-monitor", "none", "-qmp", f"unix:{self.monitor},server=on,wait=off",
                     "-object", "rng-random,id=r0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=r0",
                     *devices]
        self.tpm = self.folder / "tpm.socket" if tpm else None
        self.processes = []
        self.process = None

    def start(self):
        if self.tpm:
            (self.folder / "tpm").mkdir(exist_ok=True)
            self.processes.append(subprocess.Popen(
                ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder / 'tpm'}", "--ctrl",
                 f"type=unixio,path={self.tpm}", "--terminate"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            end = time.monotonic() + 10
            while not self.tpm.exists() and time.monotonic() < end:
                time.sleep(0.02)
            self.argv += ["-chardev", f"socket,id=chrtpm,path={self.tpm}", "-tpmdev", "emulator,id=tpm0,chardev=chrtpm",
                          "-device", "tpm-crb,tpmdev=tpm0"]
        self.process = subprocess.Popen([str(word) for word in self.argv])
        self.processes.append(self.process)

    def said(self):
        return self.report.read_text(errors="replace").replace("\r", "") if self.report.exists() else ""

    def wait_for(self, *words, seconds=600):
        """The report once it has one of the words, or all of it when the guest has ended or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = self.said()
            if any(word in text for word in words):
                return text
            if self.process.poll() is not None:
                return self.said()
            time.sleep(0.2)
        return self.said()

    def command(self, name, **arguments):
        """One command of QEMU's machine protocol."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self.monitor))
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

    def plug(self, seconds=60, **device):
        """Adds a device; what it stands on may be held a moment longer by one that was taken out."""
        end = time.monotonic() + seconds
        while True:
            try:
                return self.command("device_add", **device)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        self.processes = []


def started(make, tries=2):
    """A machine of which something was heard. Emulation fails at times before the first word: then once more."""
    for left in range(tries - 1, -1, -1):
        machine = make()
        machine.start()
        if "GUEST up" in machine.wait_for("GUEST up", seconds=180) or left == 0:
            return machine
        machine.stop()
        for path in (machine.report, machine.console, machine.monitor):
            path.unlink(missing_ok=True)
    return None
