"""A USB drive for the lab: an image with a filesystem on a loop device, which is plugged in and pulled out."""
import contextlib
import errno
import os
import pathlib
import shutil
import subprocess

from tools.lab.lab import LabError, run, wait_until

# What a node's drives.also lists, so that loop devices are drives to it.
LOOP_DEVICES = [f"/dev/loop{number}" for number in range(16)]


def kernel_mounts(filesystem):
    """Whether this kernel has it, with its module loaded where it is one."""
    if f"\t{filesystem}\n" not in pathlib.Path("/proc/filesystems").read_text() and shutil.which("modprobe"):
        subprocess.run(["modprobe", filesystem], capture_output=True, check=False)
    return f"\t{filesystem}\n" in pathlib.Path("/proc/filesystems").read_text()


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
        self.device = run("losetup", "--find", "--show", *(["--read-only"] if read_only else []),
                          self.image).stdout.strip()
        if self.device not in LOOP_DEVICES:
            raise LabError(f"{self.device}: too many loop devices are in use")
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
