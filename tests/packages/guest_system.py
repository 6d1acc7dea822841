"""A Debian 12 machine under QEMU: systemd, Debian's kernel with AppArmor and the BPF LSM, a TPM, a disk that stays over
reboots.

The disk is a base system made by mmdebstrap, without anything that AKM's packages need: that is in a package source on
the disk (/srv/debian), for apt. What is not changed by a test is kept in the user's cache folder.
"""
import base64
import hashlib
import inspect
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "vm"))
import kernels  # noqa: E402
import machine  # noqa: E402

BASE = ("systemd-sysv systemd udev libpam-systemd apparmor iproute2 procps kmod adduser python3 less").split()
IDLE = ("apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer "
        "e2scrub_reap.service "
        "systemd-timesyncd.service systemd-networkd.service systemd-networkd.socket systemd-pstore.service "
        "systemd-firstboot.service getty@tty1.service serial-getty@ttyS0.service console-getty.service").split()
AGENT_UNIT = """[Unit]
After=basic.target
[Service]
ExecStart=/usr/local/sbin/guest_agent
Restart=always
"""
TOOLS = ("mmdebstrap", "dpkg-scanpackages", "mke2fs")


def _run(*argv, **kwargs):
    return subprocess.run([str(word) for word in argv], check=True, capture_output=True, text=True, **kwargs).stdout


def cache():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "akm-packages"


def needed_by(debs):
    """What the packages depend on and recommend, without themselves."""
    text = ",".join(_run("dpkg-deb", "-f", deb, field).strip() for deb in debs for field in ("Depends", "Recommends"))
    names = {re.split(r"[\s(|:]", one.strip())[0] for one in text.split(",")}
    return sorted(name for name in names if name and not name.startswith("akm-"))


def _system(root, wanted, kernel):
    """The files of the disk, in the folder `root`."""
    mirror = kernels.mirror()
    fetch = ('mkdir -p "$1/srv/debian/partial" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -q -y --download-only '
             f'-o Dir::Cache::archives="$1/srv/debian" -o APT::Install-Recommends=false install {" ".join(wanted)} >&2')
    _run("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={','.join(BASE)}",
         "--aptopt=Acquire::Languages \"none\"", "--dpkgopt=path-exclude=/usr/share/doc/*",
         "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
         f"--customize-hook={fetch}", "bookworm", root, f"deb {mirror} bookworm main",
         f"deb {mirror} bookworm-updates main", f"deb {mirror}-security bookworm-security main")
    source = root / "srv/debian"
    (source / "Packages").write_text(_run("dpkg-scanpackages", "-m", ".", cwd=source))
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/debian ./\n")
    shutil.copytree(kernel / "lib/modules", root / "lib/modules", dirs_exist_ok=True)
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/machine-id").write_text("uninitialized\n")
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    units = root / "etc/systemd/system"
    for name in IDLE:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    (units / "guest-agent.service").write_text(AGENT_UNIT)
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "guest-agent.service").symlink_to("../guest-agent.service")
    shutil.copy(HERE / "guest_agent", root / "usr/local/sbin/guest_agent")
    (root / "srv/akm").mkdir(parents=True)


def disk(debs, kernel):
    """The image that machines begin with, from the cache or made now."""
    wanted = needed_by(debs)
    text = repr((wanted, kernel.name, BASE, IDLE, AGENT_UNIT, inspect.getsource(_system),
                 (HERE / "guest_agent").read_text()))
    image = cache() / f"disk-{hashlib.sha256(text.encode()).hexdigest()[:12]}.ext4"
    if image.exists():
        return image
    cache().mkdir(parents=True, exist_ok=True)
    for old in cache().glob("disk-*"):
        old.unlink() if old.is_file() else shutil.rmtree(old)
    root, part = image.with_suffix(".root"), image.with_suffix(".part")
    _system(root, wanted, kernel)
    _run("truncate", "-s", "1600M", part)
    _run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,root_owner=0:0", "-d", root, part)
    shutil.rmtree(root)
    part.rename(image)
    return image


class Guest(machine.Machine):
    """One of two, joined by a network of their own; `run` is a shell in it. /dev/vdb: packages, /dev/sda: a drive."""

    def __init__(self, name, number, folder, image, initrd, base):
        self.name, self.address = name, f"10.79.0.{number}"
        mine = folder / name
        mine.mkdir()
        subprocess.run(["cp", "--sparse=always", base, mine / "disk"], check=True)
        _run("truncate", "-s", "16M", mine / "drive")
        _run("mke2fs", "-q", "-t", "ext4", mine / "drive")
        links = {one: folder / f"{one}.link" for one in "ab"}
        other = links["b" if name == "a" else "a"]
        super().__init__(
            image, initrd, tpm=True, number=number, folder=mine,
            append=f"net.ifnames=0 audit=1 audit_backlog_limit=8192 systemd.hostname={name} systemd.show_status=0 "
                   f"akm.address={self.address}/24",
            devices=["-drive", f"file={mine / 'disk'},if=none,id=d0,format=raw,cache=unsafe",
                     "-device", "virtio-blk-pci,drive=d0",
                     "-drive", f"file={folder / 'packages.tar'},if=none,id=d1,format=raw,snapshot=on",
                     "-device", "virtio-blk-pci,drive=d1",
                     "-device", "virtio-scsi-pci",
                     "-drive", f"file={mine / 'drive'},if=none,id=d2,format=raw,cache=unsafe",
                     "-device", "scsi-hd,drive=d2,removable=on",
                     "-netdev", f"dgram,id=n0,local.type=unix,local.path={links[name]},"
                                f"remote.type=unix,remote.path={other}",
                     "-device", f"virtio-net-pci,netdev=n0,mac=52:54:00:00:00:0{number}",
                     "-device", "virtio-serial-pci",
                     "-chardev", f"socket,id=agent,path={mine / 'agent'},server=on,wait=off",
                     "-device", "virtserialport,chardev=agent,name=agent"])
        self.argv.remove("-no-reboot")
        self.channel = self.lines = None

    def begin(self, seconds=180):
        self.start()
        end = time.monotonic() + 20
        while self.channel is None:
            try:
                channel = socket.socket(socket.AF_UNIX)
                channel.connect(str(self.folder / "agent"))
                self.channel, self.lines = channel, channel.makefile("r")
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        return self.await_agent(seconds)

    def await_agent(self, seconds=180):
        """The agent's first line after a start of the system: boot id and seconds of uptime."""
        self.channel.settimeout(seconds)
        while True:
            words = self.lines.readline().split()
            if not words:
                raise RuntimeError(f"machine {self.name} is off")
            if words[0] == "HELLO":
                return words[1:]

    def run(self, text, seconds=180):
        """Exit status and output of a script."""
        self.channel.settimeout(seconds)
        self.channel.sendall(base64.b64encode(text.encode()) + b"\n")
        words = self.lines.readline().split()
        if not words:
            raise RuntimeError(f"machine {self.name} is off")
        return int(words[0]), base64.b64decode(words[1] if words[1:] else "").decode(errors="replace")

    def put(self, path, content):
        code, out = self.run(f"base64 -d >'{path}' <<'END'\n{base64.encodebytes(content).decode()}END\n")
        if code != 0:
            raise RuntimeError(out)

    def get(self, path):
        return base64.b64decode(self.run(f"base64 '{path}'")[1])

    def reboot(self):
        """The agent may be gone before it can answer."""
        self.channel.sendall(base64.b64encode(b"systemctl reboot --no-block") + b"\n")
        return self.await_agent()


def initrd(folder, kernel):
    image = machine.Image(folder, kernel)
    image.put_modules("virtio_pci", "virtio_blk")
    image.put(HERE.parent / "vm/guest/disk.sh", "/init")
    return image, image.pack("disk.sh")
