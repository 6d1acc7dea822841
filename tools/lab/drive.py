"""A USB drive for the lab: an image with a filesystem on a loop device, which is plugged in and pulled out."""
import contextlib
import errno
import fcntl
import os
import pathlib
import shutil
import subprocess

from tools.lab.lab import LabError, run, wait_until

# What a node's drives.also lists, so that loop devices are drives to it. Not the first ones: those are others', and a
# node that looks at a drive keeps it from them.
LOOP_DEVICES = [f"/dev/loop{number}" for number in range(64, 72)]
LOOP_CTL_REMOVE = 0x4C81  # linux/loop.h


def kernel_mounts(filesystem):
    """Whether this kernel has it, with its module loaded where it is one."""
    if f"\t{filesystem}\n" not in pathlib.Path("/proc/filesystems").read_text() and shutil.which("modprobe"):
        subprocess.run(["modprobe", filesystem], capture_output=True, check=False)
    return f"\t{filesystem}\n" in pathlib.Path("/proc/filesystems").read_text()


def remove_loop_devices():
    """Those that plug_in() has made and nobody has in use."""
    with open("/dev/loop-control", "rb") as control:
        for device in LOOP_DEVICES:
            with contextlib.suppress(OSError):
                fcntl.ioctl(control, LOOP_CTL_REMOVE, int(device.removeprefix("/dev/loop")))


class Drive:
    """Removes itself: pull_out() and unmounting are safe at any time."""

    def __init__(self, folder, name, filesystem="ext4", size="16M", options=()):
        self.image = pathlib.Path(folder) / f"{name}.img"
        self.mount_point = pathlib.Path(folder) / f"{name}.mounted"
        self.mount_point.mkdir()
        self.device = None
        run("truncate", "-s", size, self.image)
        if filesystem:
            run(f"mkfs.{filesystem}", *(["-q"] if filesystem == "ext4" else []), *options, self.image)

    def plug_in(self, read_only=False):
        options = ["--read-only"] if read_only else []
        self.device = next((device for device in LOOP_DEVICES if
                            run("losetup", *options, device, self.image, check=False).returncode == 0), None)
        if self.device is None:
            raise LabError(f"no loop device of {LOOP_DEVICES[0]} to {LOOP_DEVICES[-1]} can be had")
        return self.device

    def pull_out(self):
        if self.device:
            subprocess.run(["umount", str(self.mount_point)], capture_output=True, check=False)
            run("losetup", "--detach", self.device, check=False)
        self.device = None

    @contextlib.contextmanager
    def mounted(self):
        """The folder where it is mounted meanwhile. A daemon that looks at it has it mounted read-only for a moment."""
        wait_until(lambda: run("mount", self.device, self.mount_point, check=False).returncode == 0,
                   f"{self.device} can be mounted", 20)
        try:
            yield self.mount_point
        finally:
            run("umount", self.mount_point)

    def names(self):
        with self.mounted() as folder:
            return sorted(path.name for path in folder.iterdir() if path.name != "lost+found")

    def is_free(self):
        """Nothing in this machine has it mounted, not even where nobody sees it."""
        try:
            os.close(os.open(self.device, os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
            raise
        return True
