"""A bundle on a drive: a real filesystem on a loop device, from a fresh node to "activated", and what a drive may try.

A loop device is not removable to the kernel: the nodes list it in drives.also, the NMM is told --force.
"""
import hashlib
import os
import pathlib
import re
import shutil
import time

from support import BUILD, HASTY_NMM, IntegrationTest, main
from tools.lab.drive import LOOP_DEVICES, Drive, kernel_mounts, remove_loop_devices
from tools.lab.lab import Lab, wait_until

CODE = re.compile(r"[0-9A-Z]{5}(-[0-9A-Z]{5}){3}")
WRONG = "00000-00000-00000-00000"


def state_of(host):
    """What is in its state, but for the count of tries, the log that says that they were refused, what was seen of the
    machine meanwhile, and what is just being written of these."""
    left_out = {"audit", "bundle-tries", "policy-memory", "watch-memory"}

    def record(path):
        """What is just being written of a record, ".NAME.RANDOM.tmp", is that record's."""
        return path.name.split(".")[1] if path.name.startswith(".") and path.suffix == ".tmp" else path.name
    return {str(path.relative_to(host.state)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(host.state.rglob("*")) if path.is_file()
            and record(path) not in left_out and "audit" not in path.relative_to(host.state).parts}


class Usb(IntegrationTest):
    needed = ("losetup", "mkfs.ext4", "mkfs.vfat")

    def lab_of(self, nodes, **nmm_overrides):
        self.addCleanup(remove_loop_devices)
        lab = Lab(BUILD, nodes=nodes)
        lab.__enter__()
        self.addCleanup(lab.close)
        self.lab, self.nmm = lab, lab.nmm
        self.nmm.overrides |= HASTY_NMM | nmm_overrides
        for host in (lab.nmm, *lab.nodes.values()):
            if host.role == "node":
                host.overrides |= {"sealing.mode": "software", "drives.also": LOOP_DEVICES}
            host.start()
        self.nmm.akmctl("nmm", "init")
        return [lab.nodes[name] for name in nodes]

    def drive(self, name, *args, plugged_in=True, **kwargs):
        drive = Drive(self.lab.folder, name, *args, **kwargs)
        self.addCleanup(drive.pull_out)
        if plugged_in:
            drive.plug_in()
        return drive

    def bundle(self, node, drive):
        """The one-time code of a new bundle for the node on the drive."""
        made = self.nmm.json("nmm", "bundle", node.name, "--hardware-value", node.json("node", "identity")["value"],
                             "--endpoint", node.endpoint, "--to", drive.device, "--force")
        self.assertEqual(made["path"], f"{drive.device}/{node.name}.akmbundle")
        self.assertRegex(made["code"], CODE)
        wait_until(drive.is_free, f"{drive.device} is let go", 20)
        return made["code"]

    def provision(self, node, place, code, check=True):
        return node.akmctl("node", "provision", "--from", place, "--code-file", "-", stdin=code + "\n", check=check)

    def refused(self, node, drive, *words, place=None, code=WRONG):
        """The import is refused with these words; node and drive are as before."""
        before, image = state_of(node), hashlib.sha256(drive.image.read_bytes()).hexdigest()
        done = self.provision(node, place or drive.device, code, check=False)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(node.status()["state"], "unprovisioned")
        self.assertEqual(state_of(node), before)
        self.assertEqual(hashlib.sha256(drive.image.read_bytes()).hexdigest(), image, "the drive was written to")
        wait_until(drive.is_free, f"{drive.device} is let go", 20)
        return done.stderr

    def whole_way(self, filesystem):
        a, = self.lab_of(("a",))
        drive = self.drive("stick", filesystem)
        self.assertEqual(a.status()["bundles"], [])
        code = self.bundle(a, drive)
        self.assertEqual(drive.names(), ["a.akmbundle"])
        with drive.mounted() as folder:
            kept = (folder / "a.akmbundle").read_bytes()
        # Pulled out and plugged in: the node notices it by itself, and waits for its code.
        drive.pull_out()
        wait_until(lambda: not a.status()["bundles"], "the offer goes with the drive")
        device = drive.plug_in()
        offer = {"device": device, "file": "a.akmbundle", "tries_left": 5, "refusal": ""}
        wait_until(lambda: a.status()["bundles"] == [offer], "the bundle is offered")
        self.assertIn(f"akmctl node provision --from {device}/a.akmbundle", a.akmctl("node", "status").stdout)
        self.assertEqual(a.status()["state"], "unprovisioned")
        self.provision(a, device, code)
        wait_until(lambda: a.status()["state"] == "active", "the node is active")
        self.assertEqual(a.status()["bundles"], [])
        wait_until(drive.is_free, f"{drive.device} is let go", 20)
        self.assertEqual(drive.names(), ["a.akmreceipt"])
        self.assertNotIn(kept[-64:], drive.image.read_bytes(), "it was overwritten before it was removed")
        # A copy on another drive is the same bundle.
        copy = self.drive("copy", filesystem)
        with copy.mounted() as folder:
            (folder / "a.akmbundle").write_bytes(kept)
        done = self.provision(a, copy.device, code, check=False)
        self.assertIn("there already", done.stderr)
        a.akmctl("node", "zeroize", "--yes")
        self.refused(a, copy, "was used before", code=code)

    def test_ext4(self):
        self.whole_way("ext4")

    def test_vfat(self):
        if not kernel_mounts("vfat"):
            self.skipTest("this kernel has no vfat: the QEMU tier (tests/vm/test_usb_vm.py) shows it")
        self.whole_way("vfat")

    def test_wrong_codes(self):
        a, = self.lab_of(("a",))
        drive = self.drive("stick")
        code = self.bundle(a, drive)
        drive.pull_out()
        drive.plug_in()
        wait_until(lambda: a.status()["bundles"], "the bundle is offered")
        pauses = []
        for left in range(4, -1, -1):
            words = "the bundle is void" if left == 0 else "remain"
            text = self.refused(a, drive, "does not open this bundle", words)
            wait_until(lambda: a.status()["bundles"][0]["tries_left"] == left, "the tries are counted")
            if left == 0:
                break
            pauses.append(int(re.search(r"next one in (\d+) s", text)[1]))
            if pauses[-1] >= 4:  # shorter ones may be over by now
                self.refused(a, drive, "the next try is taken in", code=code)  # the right one has to wait too
            time.sleep(pauses[-1])
        self.assertEqual(pauses, [1, 2, 4, 8])
        self.refused(a, drive, "Too many wrong codes", code=code)
        copy = self.drive("copy")
        with drive.mounted() as source, copy.mounted() as target:
            shutil.copy(source / "a.akmbundle", target / "a.akmbundle")
        self.refused(a, copy, "Too many wrong codes", code=code)
        a.stop()
        a.start()
        self.refused(a, copy, "Too many wrong codes", code=code)
        wait_until(lambda: [one["refusal"] != "" for one in a.status()["bundles"]] == [True, True],
                   "both are shown as void")

    def test_hostile_drives(self):
        a, b = self.lab_of(("a", "b"))
        drive = self.drive("stick")
        code = self.bundle(a, drive)
        self.refused(b, drive, "hardware value is not the one", code=code)
        with drive.mounted() as folder:
            whole = (folder / "a.akmbundle").read_bytes()
            (folder / "a.akmbundle").unlink()
        self.refused(a, drive, "there is no NAME.akmbundle")

        def on_drive(make):
            with drive.mounted() as folder:
                for path in folder.glob("*.akm*"):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
                make(folder / "a.akmbundle")

        def flipped(at):
            return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]

        def sparse(path):
            with open(path, "wb") as file:
                file.truncate(2 << 30)

        cases = [
            (lambda path: path.write_bytes(whole[:-1]), "required form"),
            (lambda path: path.write_bytes(whole[:len(whole) // 2]), ""),
            (lambda path: path.write_bytes(b""), "ends too early"),
            (lambda path: path.write_bytes(flipped(0)), ""),
            (lambda path: path.write_bytes(flipped(len(whole) // 2)), "does not open"),
            (lambda path: path.write_bytes(flipped(len(whole) - 20)), "does not open"),
            (sparse, "larger than the limit"),
            (lambda path: path.symlink_to("/etc/passwd"), "not a regular file"),
            (os.mkfifo, "not a regular file"),
            (os.mkdir, "not a regular file"),
            (lambda path: os.mknod(path, 0o600 | 0o20000, os.makedev(1, 5)), "not a regular file"),
            (lambda path: [path.with_name(f"{n}.akmbundle").write_bytes(whole) for n in "cd"], "several bundles"),
        ]
        for make, words in cases:
            on_drive(make)
            self.refused(a, drive, words, code=code)
        self.refused(a, drive, "a bundle's name ends in .akmbundle", place=f"{drive.device}/passwd", code=code)
        on_drive(lambda path: path.write_bytes(whole))
        # Still good after all that, for its own machine.
        self.provision(a, drive.device, code)
        wait_until(lambda: a.status()["state"] == "active", "the node is active")

        other = self.drive("other", None)
        self.refused(b, other, "vfat or ext4")
        other.pull_out()
        with open(other.image, "r+b") as image:
            image.seek(3)
            image.write(b"NTFS    ")
        other.plug_in()
        self.refused(b, other, "its filesystem: ntfs")
        protected = self.drive("protected", plugged_in=False)
        protected.plug_in(read_only=True)
        self.refused(b, protected, "write-protected")

    def test_expired(self):
        a, = self.lab_of(("a",), **{"nmm.bundle_expiry_s": 60})
        a.stop()
        a.overrides["activation.automatic"] = False
        a.start()
        drive = self.drive("stick")
        code = self.bundle(a, drive)
        time.sleep(62)
        self.provision(a, drive.device, code)
        done = a.akmctl("--timeout", "60", "node", "activate", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotEqual(a.status()["state"], "active")
        self.assertEqual(self.nmm.json("nmm", "nodes")[0]["state"], "prepared")

    def test_what_the_nmm_refuses(self):
        a, = self.lab_of(("a",))
        drive = self.drive("stick")

        def refused(place, *words, force=True):
            done = self.nmm.akmctl("nmm", "bundle", "a", "--hardware-value", "00" * 31 + "01", "--to", place,
                                   *(["--force"] if force else []), check=False)
            self.assertNotEqual(done.returncode, 0)
            for word in words:
                self.assertIn(word, done.stderr)
            self.assertIsNone(CODE.search(done.stdout + done.stderr))

        refused(drive.device, "is not a removable drive", "--force", force=False)
        with drive.mounted():
            refused(drive.device, "is mounted at")
        disk = pathlib.Path(f"/sys/dev/block/{os.major(os.stat('/').st_dev)}:{os.minor(os.stat('/').st_dev)}")
        if disk.exists():
            refused(f"/dev/{disk.resolve().name}", "this system runs from")
        refused("/dev/null", "")
        full = self.drive("full", size="1M", options=("-m", "0", "-O", "^has_journal"))
        with full.mounted() as folder:
            with self.assertRaises(OSError):
                with open(folder / "filler", "wb", buffering=0) as filler:
                    while True:
                        filler.write(b"x" * 1024)
        refused(full.device, "disk is full")
        self.assertEqual(full.names(), ["filler"])
        empty = self.drive("empty", None)
        refused(empty.device, "vfat or ext4")
        protected = self.drive("protected", plugged_in=False)
        refused(protected.plug_in(read_only=True), "write-protected")
        gone = drive.device
        drive.pull_out()
        refused(gone, "was taken away")
        for one in (full, empty, protected):
            wait_until(one.is_free, f"{one.device} is let go", 20)
        self.assertNotIn(full.device, [one["device"] for one in self.nmm.json("nmm", "drives")])
        self.assertLessEqual(len(self.nmm.json("nmm", "nodes")), 1, "a node for each refusal")
        self.assertEqual(a.status()["state"], "unprovisioned")


if __name__ == "__main__":
    main()
