"""A disk that is full or read-only, state files that are damaged or something else, a TPM that is gone or another.

Each is said with what to do, the rest goes on, nothing is deleted, and what may pass is made good without an operator.
"""
import json
import os
import shutil

from support import BUILD, HASTY, HASTY_NMM, IntegrationTest, found, main
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until

TIMES = HASTY | {"resync_min_interval_s": 1}
DISK_BYTES = 1 << 20
SECOND_TRY_S = 120  # a minute's pause at most (second_try.h), and a start


def state(host):
    """Also while it starts anew."""
    return (host.status() or {"state": ""})["state"]


class Disk:
    """A small disk of its own for a host's state."""

    def __init__(self, test, host):
        self.mount_point = host.folder / "disk"
        self.mount_point.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", self.mount_point)
        test.addCleanup(run, "umount", "-l", self.mount_point, check=False)
        host.state = self.mount_point / "state"

    def fill(self):
        with open(self.mount_point / "filler", "wb", buffering=0) as out:
            try:
                while True:
                    out.write(bytes(4096))
            except OSError:
                pass

    def free(self):
        (self.mount_point / "filler").unlink()

    def remount(self, how):
        run("mount", "-o", f"remount,{how}", self.mount_point)


class HostTest(IntegrationTest):
    def make(self, nodes, disks=(), software=()):
        self.lab = Lab(BUILD, nodes=nodes)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.nodes = self.lab.nmm, self.lab.nodes
        self.nmm.overrides |= HASTY_NMM
        self.disks = {host.name: Disk(self, host) for host in self.lab.hosts if host.name in disks}
        for name in software:
            self.nodes[name].overrides["sealing.mode"] = "software"
        cluster.activate_all(self.lab)
        self.key = cluster.create(self.lab, **TIMES)

    def rekey(self, names="abc", by="b"):
        epoch = cluster.wait_agreed(self.lab, names, "asr-1")[1]
        self.nodes[by].akmctl("asr", "rekey", "asr-1", check=False)
        return cluster.wait_agreed(self.lab, names, "asr-1", epoch=epoch + 1)

    def agreed(self, names="abc", **wanted):
        return cluster.wait_agreed(self.lab, names, "asr-1", **wanted)


class FullAndReadOnly(HostTest):
    def test_full_and_read_only(self):
        self.make("abc", disks=("a", "nmm"))
        self.key = self.agreed()
        self.a_node("full", "The disk is full", self.disks["a"].fill, self.disks["a"].free)
        self.a_node("read-only", "The file system is read-only", lambda: self.disks["a"].remount("ro"),
                    lambda: self.disks["a"].remount("rw"))
        self.the_nmm("The disk is full", self.disks["nmm"].fill, self.disks["nmm"].free)
        self.the_nmm("The file system is read-only", lambda: self.disks["nmm"].remount("ro"),
                     lambda: self.disks["nmm"].remount("rw"))

    def a_node(self, what, sentence, worsen, mend):
        """While it runs, then at its start."""
        a = self.nodes["a"]
        before = self.agreed()
        worsen()
        self.nodes["b"].akmctl("asr", "rekey", "asr-1", check=False)
        told = wait_until(lambda: found(a, sentence), f"it says that the disk is {what}")[0]
        if what == "full":
            self.assertRegex(told, r"it needs \d+ KiB in .*/records, where \d+ KiB and \d+ files are free")
        # It goes on with the key that is stored, and with it the others, who do not leave it behind.
        self.assertEqual(self.agreed(), before)
        mend()
        self.assertGreater(self.rekey()[1], before[1])
        wait_until(lambda: not found(a, sentence), "it is over, and that is said")  # what waits is tried each second
        incarnation = a.status()["incarnation"]
        a.stop()
        worsen()
        a.start()
        self.assertEqual(a.status()["state"], "sealed-unavailable")
        self.assertTrue(found(a, sentence), a.status()["findings"])
        mend()
        wait_until(lambda: state(a) == "active", "it starts anew by itself", SECOND_TRY_S)
        self.assertGreater(a.status()["incarnation"], incarnation)
        self.rekey()

    def the_nmm(self, sentence, worsen, mend):
        worsen()
        refused = self.nmm.akmctl("asr", "rekey", "asr-1", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(sentence, refused.stderr)
        # The nodes do not need it.
        self.rekey()
        generation = self.agreed()[0]
        mend()
        self.nmm.akmctl("asr", "rekey", "asr-1")
        self.agreed(generation=generation + 1)
        self.nmm.stop()
        worsen()
        self.nmm.start()
        self.assertEqual(self.nmm.status()["state"], "sealed-unavailable")
        self.assertTrue(found(self.nmm, sentence), self.nmm.status()["findings"])
        mend()
        wait_until(lambda: state(self.nmm) == "ready", "it starts anew by itself", SECOND_TRY_S)
        self.nmm.akmctl("asr", "rekey", "asr-1")
        self.agreed(generation=generation + 2)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def make_folder(path):
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


def make_link(path):
    kept = path.parents[2] / f"{path.name}.elsewhere"
    path.rename(kept)
    path.symlink_to(kept)


def put(path, data):
    """The file as it was, whatever is in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    path.write_bytes(data)


DAMAGES = {"a": (truncate, "damaged"), "b": (flip, "damaged"), "c": (make_folder, "is a folder"),
           "d": (make_pipe, "is a named pipe"), "e": (make_link, "is a symbolic link")}


class StateFiles(HostTest):
    def test_damaged_files(self):
        self.make("abcde", software="b")
        self.nmm.akmctl("asr", "create", "asr-2", *"abcde", *self.policy())
        cluster.wait_agreed(self.lab, "abcde", "asr-2")
        self.relationships()
        self.own_record()
        self.start_record()
        self.storage_key()
        self.of_the_nmm()

    @staticmethod
    def policy():
        return [word for key, value in TIMES.items() for word in ("--policy", f"{key}={value}")]

    def each(self, record, check):
        """The record of each node is damaged in another way while it is stopped; all are started; then the check."""
        for name, (damage, _) in DAMAGES.items():
            node = self.nodes[name]
            node.stop()
            damage(node.state / "records" / record(node))
        for name, (_, words) in DAMAGES.items():
            self.nodes[name].start()
            check(self.nodes[name], words)

    def relationships(self):
        asr_id = self.nodes["a"].asr("asr-1")["id"]

        def check(node, words):
            self.assertEqual(node.status()["state"], "active", "one damaged file does not stop the rest")
            self.assertIsNotNone(node.asr("asr-2"))
            told = found(node, f"asr-{asr_id}", words, "kept")
            self.assertTrue(told, node.status()["findings"])
            kept = node.state / "records" / f"damaged-1-asr-{asr_id}"
            self.assertTrue(os.path.lexists(kept), sorted(os.listdir(node.state / "records")))
            self.assertIn(str(kept), told[0])
        self.each(lambda node: f"asr-{asr_id}", check)
        self.agreed("abcde", generation=None, seconds=60)
        cluster.wait_agreed(self.lab, "abcde", "asr-2")

    def own_record(self):
        def check(node, words):
            self.assertTrue(found(node, "/records/node", words), node.status()["findings"])
            self.assertTrue(found(node, "akmctl nmm prepare"), node.status()["findings"])
            self.assertTrue(os.path.lexists(node.state / "records" / "node"), "it was kept")
            self.assertIsNotNone(node.asr("asr-1"), "the groups go on")
        saved = {name: (node.state / "records" / "node").read_bytes() for name, node in self.nodes.items()}
        self.each(lambda node: "node", check)
        cluster.wait_agreed(self.lab, "abcde", "asr-1")
        for name, node in self.nodes.items():
            node.stop()
            put(node.state / "records" / "node", saved[name])
            node.start()
            self.assertEqual(node.status()["state"], "active", "put back from a copy")
        cluster.wait_agreed(self.lab, "abcde", "asr-1")

    def start_record(self):
        def check(node, words):
            self.assertEqual(node.status()["state"], "active")
            self.assertTrue(found(node, "/records/start", words), node.status()["findings"])
        self.each(lambda node: "start", check)

    def storage_key(self):
        def check(node, words):
            if "link" in words:  # an operator's own arrangement: the blob is sealed, wherever it lies
                return self.assertEqual(node.status()["state"], "active")
            self.assertEqual(node.status()["state"], "sealed-unavailable")
            self.assertTrue(found(node, "kek.sealed"), node.status()["findings"])
            self.assertTrue(os.path.lexists(node.state / "kek.sealed"))
        saved = {name: (node.state / "kek.sealed").read_bytes() for name, node in self.nodes.items()}
        self.each(lambda node: "../kek.sealed", check)
        self.nodes["e"].stop()  # it works, and would see who changes its files
        for name, node in self.nodes.items():
            put(node.state / "kek.sealed", saved[name])
        self.nodes["e"].start()
        for name, node in self.nodes.items():
            wait_until(lambda: state(node) == "active", f"{name} starts anew by itself", SECOND_TRY_S)
        self.agreed("abcde")

    def of_the_nmm(self):
        self.nmm.stop()
        records = self.nmm.state / "records"
        asr_id = self.nodes["a"].asr("asr-1")["id"]
        flip(records / f"nmm-asr-{asr_id}")
        truncate(records / "nmm-clock")
        links = sorted(path for path in records.iterdir() if path.name.startswith("asr-"))
        flip(links[0])
        self.nmm.start()
        self.assertTrue(found(self.nmm, f"nmm-asr-{asr_id}"), self.nmm.status()["findings"])
        self.assertTrue(found(self.nmm, "nmm-clock", "bundles that are out expire later"))
        self.assertTrue(found(self.nmm, "damaged-1-" + links[0].name))
        self.assertTrue(found(self.nmm, "The provisioning relationship of", "akmctl nmm prepare"))
        self.assertTrue((records / f"nmm-asr-{asr_id}").exists())
        # A group whose record is lost at the NMM lives on: its members are not told to erase it.
        wait_until(lambda: found(self.nmm, f"no record of relationship {asr_id}", "akmctl asr delete"), "told", 30)
        self.rekey("abcde")
        self.nmm.stop()
        flip(records / "nmm-root")
        self.nmm.start(wait=False)
        self.assertNotEqual(self.nmm.daemon.wait(timeout=60), 0)
        self.assertIn("nmm-root", self.nmm.log_tail())
        self.nmm.daemon = None
        # The members do not need it.
        self.rekey("abcde")


class Tpm(HostTest):
    def test_tpm_gone_or_another(self):
        self.make("abc")
        a, b = self.nodes["a"], self.nodes["b"]
        # While it runs: it has no need of the TPM.
        a.tpm.terminate()
        a.tpm.wait()
        self.rekey()
        # At the start.
        a.stop()
        a.start()
        self.assertEqual(a.status()["state"], "sealed-unavailable")
        self.assertTrue(found(a, "could not be unsealed", "no TPM at"), a.status()["findings"])
        cluster.wait_agreed(self.lab, "bc", "asr-1")
        a.start_tpm()
        wait_until(lambda: state(a) == "active", "it starts anew when the TPM is there", SECOND_TRY_S)
        self.rekey()
        # The disk in another machine.
        a.stop()
        b.stop()
        for node in (a, b):
            node.tpm.terminate()
            node.tpm.wait()
        a.state.rename(a.folder / "own")
        shutil.copytree(b.state, a.state)
        a.start_tpm()
        a.start()
        self.assertEqual(a.status()["state"], "sealed-unavailable")
        self.assertTrue(found(a, "this is another TPM: the key was sealed by another machine's"),
                        a.status()["findings"])
        self.assertEqual(json.dumps(a.json("asr", "list")), "[]")
        a.stop()
        shutil.rmtree(a.state)
        (a.folder / "own").rename(a.state)
        b.start_tpm()
        for node in (a, b):
            node.start()
        self.rekey()


if __name__ == "__main__":
    main()
