"""The disks and the processes of provisioned nodes hold none of their secrets outside the arena and the kernel.

Each node's state, and the drive that its bundle came on, are filesystems of their own; what is searched is the whole of
their images, with the blocks of files that are gone. Of a process it is every mapping that can be read, stopped between
two instructions as a debugger would, and what it leaves in a core file. The NMM's process is searched too.
"""
import os
import pathlib
import signal
import subprocess
import time

from support import BUILD, IntegrationTest, main
from test_secret_leak import record, recorded
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until

WANTED = {"storage key", "provisioning pdv", "provisioning seed", "bundle mask", "session secret", "chain pdv",
          "exported key", "one-time code", "scrypt key", "sealed record key"}


class Disk:
    """An ext4 filesystem in a file of zeros, mounted from a loop device."""

    def __init__(self, case, image, folder, mebibytes=32):
        self.image, self.folder = image, folder
        folder.mkdir(parents=True)
        with open(image, "wb") as out:
            out.truncate(mebibytes << 20)
        run("mkfs.ext4", "-q", "-F", image)
        # Blocks that are given back keep their content, as on a disk without discard.
        run("mount", "-o", "loop,nodiscard", image, folder)
        self.mounted = True
        case.addCleanup(self.unmount)

    def unmount(self):
        if self.mounted:
            run("umount", self.folder)
            self.mounted = False


def images_of(pid, to):
    """Writes each mapping of a process that can be read into the folder; the names of those that cannot."""
    unreadable = []
    to.mkdir()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            bounds, permissions, _, _, _, *name = line.split(maxsplit=5)
            name = name[0] if name else "anonymous"
            if name in ("[vvar]", "[vvar_vclock]", "[vsyscall]") or permissions[0] != "r":
                continue
            first, last = (int(end, 16) for end in bounds.split("-"))
            with open(to / f"{bounds} {name.replace('/', '_')}"[:200], "wb") as out:
                at = first
                while at < last:
                    try:
                        piece = os.pread(memory.fileno(), min(last - at, 1 << 20), at)
                    except OSError:
                        piece = b""
                    if not piece:
                        unreadable.append(name)
                        break
                    out.write(piece)
                    at += len(piece)
    return unreadable


class Images(IntegrationTest):
    needed = ("mkfs.ext4", "losetup", "prlimit", "setpriv")

    def setUp(self):
        done = subprocess.run(["losetup", "--find"], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(f"no loop device: {done.stderr.strip()}")

    def test_search(self):
        lab = Lab(BUILD, nodes=("a", "b"), suffix="-observed")
        self.addCleanup(lab.close)
        lab.__enter__()
        disks = [self.disk(lab, host) for host in lab.hosts]
        drive = Disk(self, lab.folder / "drive.img", lab.folder / "drive")
        disks.append(drive)
        for host in lab.hosts:
            host.environment["AKM_SECRET_LOG"] = str(lab.folder / f"{host.name}.secrets")
            host.wrapper = ["prlimit", "--core=unlimited"]
        self.use(lab, drive)
        planted = self.plant(lab, disks)
        logs = [lab.folder / f"{host.name}.secrets" for host in lab.hosts] + [lab.folder / "code.secrets"]
        labels = set().union(*(recorded(path).values() for path in logs))
        self.assertLessEqual(WANTED, labels)

        places = self.processes(lab)
        self.cores(lab)
        for disk in disks:
            disk.unmount()
            places.append(disk.image)
        # The search sees what was removed from a disk.
        for disk, secret in zip(disks, planted):
            self.assertEqual(self.search(lab, [secret], [disk.image]).returncode, 1, disk.image)
        self.assertEqual(self.search(lab, logs, logs[:1]).returncode, 1)
        found = self.search(lab, logs, places)
        self.assertEqual(found.returncode, 0, found.stdout[-4000:] + found.stderr)
        print(f"{len(labels)} kinds of secrets; searched {len(disks)} disks and {len(places) - len(disks)} mappings, "
              f"{sum(p.stat().st_size for p in places) >> 20} MiB", flush=True)

    def disk(self, lab, host):
        disk = Disk(self, lab.folder / f"{host.name}.img", lab.folder / f"{host.name}-disk")
        host.state = disk.folder / "state"
        return disk

    def use(self, lab, drive):
        """A node by drive and code, one over the bus; sessions, generations, a kill, exported keys."""
        for host in lab.hosts:
            host.consumers = [{"name": "vpn", "asr": "asr-1", "user": "root", "types": ["user", "logon"],
                               "executable": str(lab.program("akmctl"))}] if host.role == "node" else []
            host.start()
        lab.nmm.akmctl("nmm", "init")
        a, b = lab.nodes.values()
        prepared = lab.nmm.json("nmm", "prepare", "a", "--hardware-value", a.json("node", "identity")["value"],
                                "--endpoint", a.endpoint, "--to", drive.folder)
        run("sync", "-f", drive.folder)  # as a drive that is carried
        for code in (prepared["code"], prepared["code"].replace("-", "")):
            record(lab.folder / "code.secrets", "one-time code as typed", code.encode())
        a.akmctl("node", "provision", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        lab.nmm.akmctl("nmm", "provision", "b", "--bus-address", b.bus_address, "--endpoint", b.endpoint)
        for node in (a, b):
            node.akmctl("node", "activate", check=False)
        wait_until(lambda: all(n.status()["state"] == "active" for n in (a, b)), "active nodes")
        cluster.create(lab)
        for type in ("user", "logon"):
            for node in (a, b):
                done = run("keyctl", "session", "-", "sh", "-c", " ".join(
                    [*node.akmctl_argv("asr", "export-key", "asr-1", "vpn", "--type", type), "&&",
                     *node.akmctl_argv("asr", "rekey", "asr-1")]))
                self.assertRegex(done.stdout, r"(?m)^\d+$")
        a.kill()
        a.start()
        lab.nmm.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(lab, "ab", "asr-1", generation=2)
        # Once more an exported key, which is in the kernel while the processes are searched.
        self.holder = subprocess.Popen(
            ["keyctl", "session", "-", "sh", "-c",
             " ".join(a.akmctl_argv("asr", "export-key", "asr-1", "vpn")) + "; exec sleep 600"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lab.processes.append(self.holder)
        wait_until(lambda: a.asr("asr-1")["exported_keys"], "an exported key")
        time.sleep(2)  # what was deferred is done

    def plant(self, lab, disks):
        """A file on each disk that is removed again: what its blocks hold is known to us alone. Some of its many copies
        stay, whatever the daemons write afterwards."""
        out = []
        for disk in disks:
            secret = os.urandom(32)
            path = disk.folder / "planted"
            with open(path, "wb") as file:
                file.write((b"x" * 5000 + secret) * 200)
                os.fsync(file.fileno())
            path.unlink()
            out.append(lab.folder / f"{disk.image.name}.planted")
            record(out[-1], "planted", secret)
        return out

    def processes(self, lab):
        places = []
        for host in lab.hosts:
            folder = lab.folder / f"{host.name}.memory"
            host.daemon.send_signal(signal.SIGSTOP)
            unreadable = images_of(host.daemon.pid, folder)
            host.daemon.send_signal(signal.SIGCONT)
            found = list(folder.iterdir())
            self.assertGreater(sum(path.stat().st_size for path in found), 1 << 20, "almost nothing was read")
            # The arena, which the kernel itself does not read (memfd_secret), and nothing else.
            self.assertTrue(unreadable, f"{host.name}: the arena could be read: no memfd_secret here?")
            self.assertLessEqual(set(unreadable), {"/secretmem (deleted)"}, host.name)
            # The search sees what is there: the daemon was started with this path.
            control = lab.folder / f"{host.name}.control"
            record(control, "path of the configuration", str(host.config).encode())
            self.assertEqual(self.search(lab, [control], found).returncode, 1, host.name)
            places += found
        return places

    def cores(self, lab):
        """A daemon that is aborted leaves no core file, where another program does."""
        where = lab.folder / "cores"
        where.mkdir()
        control = subprocess.Popen(["prlimit", "--core=unlimited", "sleep", "100"], cwd=where)
        wait_until(lambda: "sleep" in pathlib.Path(f"/proc/{control.pid}/comm").read_text(), "sleep")
        if not self.dumps_core(control):
            print("not tested: core files are switched off on this machine", flush=True)
        for host in lab.hosts:
            self.assertFalse(self.dumps_core(host.daemon), f"{host.name} has dumped core")
            host.daemon = None

    def dumps_core(self, process):
        os.kill(process.pid, signal.SIGABRT)
        _, status = os.waitpid(process.pid, 0)
        process.returncode = -signal.SIGABRT
        self.assertTrue(os.WIFSIGNALED(status))
        return os.WCOREDUMP(status)

    def search(self, lab, logs, places):
        return subprocess.run([lab.program("find_secrets"), *logs, "--", *places], capture_output=True, text=True)


if __name__ == "__main__":
    os.umask(0o077)
    main()
