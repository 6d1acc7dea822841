"""An older image of a state put back, and a machine that is there twice: noticed, said, and no key or number is
used again.

With a TPM its counter of starts tells a restored state; without one the others refuse the stale incarnation.
"""
import collections
import shutil

from support import BUILD, HASTY, HASTY_NMM, IntegrationTest, found, main
from results import Book
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

TIMES = HASTY | {"resync_min_interval_s": 1}


def copy_state(host, name):
    """A copy of the state of a host that is stopped."""
    copy = host.folder / name
    shutil.copytree(host.state, copy, symlinks=True)
    return copy


def put_back(host, copy):
    shutil.rmtree(host.state)
    shutil.copytree(copy, host.state, symlinks=True)


def events(host, name):
    """The log lines of this event."""
    return [line for line in host.log.read_text(errors="replace").splitlines() if f"AKM_EVENT={name}" in line]


class Restored(IntegrationTest):
    def make(self, nodes, software=(), **nmm):
        self.lab = Lab(BUILD, nodes=nodes)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.nodes = self.lab.nmm, self.lab.nodes
        self.nmm.overrides |= HASTY_NMM | nmm
        for name in software:
            self.nodes[name].overrides["sealing.mode"] = "software"
        self.lab.start_capture()
        cluster.activate_all(self.lab)
        cluster.create(self.lab, **TIMES)

    def rekey(self, names, by="b"):
        epoch = cluster.wait_agreed(self.lab, names, "asr-1")[1]
        self.nodes[by].akmctl("asr", "rekey", "asr-1", check=False)
        return cluster.wait_agreed(self.lab, names, "asr-1", epoch=epoch + 1)

    def no_number_twice(self, least=100):
        wait_until(lambda: len(self.lab.captured()) > least, "frames in the capture")
        counts = collections.Counter(frame.nonce() for frame in self.lab.captured())
        self.assertEqual([nonce for nonce, count in counts.items() if count > 1], [])

    def test_nodes(self):
        self.make(("a", "b", "c"), software=("c",))
        self.book = Book("restored")
        self.with_a_tpm()
        self.without_one()
        self.no_number_twice()

    def with_a_tpm(self):
        a = self.nodes["a"]
        a.stop()
        copy = copy_state(a, "older")
        a.start()
        self.assertEqual(found(a, "older copy"), [])
        self.rekey("abc")
        a.stop()
        a.start()
        self.rekey("abc")
        for host in (self.nmm, *self.nodes.values()):
            self.assertNotRegex(host.log.read_text(errors="replace"), "AKM_CLASS=(stale-incarnation|cloned-identity)")
        self.book.silent("D28", "a member that starts anew", tier="protocol")
        before = a.status()["incarnation"]
        a.stop()
        put_back(a, copy)
        a.start()
        self.assertGreater(a.status()["incarnation"], before, "the counter is not on the disk")
        self.assertTrue(found(a, "the TPM has counted 2 starts that it does not know of"), a.status()["findings"])
        self.assertIn("perhaps an older copy", a.log.read_text())
        # It is behind by some epochs, and comes back by itself.
        cluster.wait_agreed(self.lab, "abc", "asr-1")
        self.rekey("abc")
        a.stop()
        a.start()
        self.assertEqual(found(a, "older copy"), [], "said of the one start that it is true of")
        cluster.wait_agreed(self.lab, "abc", "asr-1")

    def without_one(self):
        c = self.nodes["c"]
        c.stop()
        copy = copy_state(c, "older")
        for _ in range(3):
            c.start()
            self.rekey("abc")
            c.stop()
        put_back(c, copy)
        c.start()
        for name in "ab":
            wait_until(lambda: [line for line in events(self.nodes[name], "evidence-detected")
                                if "AKM_CLASS=stale-incarnation" in line], f"{name} reports the old copy", 30)
        self.book.detected("D28", "an older copy of a state that no TPM guards", tier="protocol")
        self.assertIsNone(cluster.agreed(self.lab, "abc", "asr-1"))
        wait_until(lambda: "refused_stale_incarnation" in self.nmm.status()["counters"]
                   or [line for line in events(self.nmm, "breach-reported") if "stale-incarnation" in line],
                   "the NMM has heard of it", 30)
        wait_until(lambda: found(c, "provision"), "it says what to do", 60)
        # The way back that the finding names, with the old state and its low count.
        c.akmctl("node", "zeroize", "--yes", check=False)
        self.provision_anew(c)

    def test_cloned_machine(self):
        """Sealed in software, so that a copy opens; a clone has its hardware values too, and another address."""
        book = Book("cloned")
        self.lab = Lab(BUILD, nodes=("a", "b", "c", "clone"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.nodes = self.lab.nmm, self.lab.nodes
        self.nmm.overrides |= HASTY_NMM
        clone = self.nodes.pop("clone")
        a = self.nodes["a"]
        a.overrides["sealing.mode"] = clone.overrides["sealing.mode"] = "software"
        self.lab.start_capture()
        cluster.activate_all(self.lab)
        generation = cluster.create(self.lab, **TIMES)[0]
        a.stop()
        shutil.copytree(a.state, clone.state)
        shutil.copytree(a.folder / "sys", clone.folder / "sys", dirs_exist_ok=True)
        # One member at a time: all of them would agree on new keys with the first of the two, and the frames of the
        # other would say nothing to them. The NMM has heard a, and is not there to put it out before both have seen it.
        b, c = self.nodes["b"], self.nodes["c"]
        b.link(False)
        heard = self.heard("a")
        a.start()
        wait_until(lambda: self.heard("a") != heard, "the NMM hears a")
        self.nmm.link(False)
        clone.start()

        def accused(host, name):
            return [line for line in events(host, name) if "AKM_CLASS=cloned-identity" in line]
        for member, other in ((c, b), (b, c)):
            other.link(False)
            member.link(True)
            line = wait_until(lambda member=member: accused(member, "breach-detected"),
                              f"{member.name} sees two of a")[0]
            self.assertIn(f"{a.address}:7400", line)
            self.assertIn(f"{clone.address}:7400", line)
        book.detected("D28", "a copy at another address", around=True, tier="protocol")
        c.link(True)
        self.nmm.link(True)
        wait_until(lambda: [line for line in accused(self.nmm, "breach-reported") if "AKM_DECISION=evict" in line],
                   "the word of two members puts it out")
        line = accused(self.nmm, "breach-reported")[-1]
        self.assertTrue(a.address in line and clone.address in line, line)
        cluster.wait_agreed(self.lab, "bc", "asr-1", generation=generation + 1)
        self.assertIsNone(cluster.agreed(self.lab, "abc", "asr-1"))
        self.no_number_twice(least=10)
        # The way back: one of the two is switched off and erased, the other is taken back.
        clone.stop()
        shutil.rmtree(clone.state)
        self.nmm.akmctl("readmit", "a")
        wait_until(lambda: a.status()["state"] == "active", "a is taken back")
        cluster.wait_agreed(self.lab, "abc", "asr-1")

    def heard(self, name):
        return next(node["last_heard_ns"] for node in self.nmm.json("nmm", "nodes") if node["name"] == name)

    def provisioning_epoch(self, name):
        return next(asr["epoch"] for asr in self.nodes[name].json("asr", "list", "--from", "node")
                    if asr["kind"] == "provisioning")

    def test_nmm(self):
        self.make(("a", "b", "c"), **{"policy.rekey_interval_s": 20})
        self.nmm.stop()
        copy = copy_state(self.nmm, "older")
        epoch = self.provisioning_epoch("a")
        self.nmm.start()
        self.nmm.akmctl("asr", "rekey", "asr-1")
        self.nmm.akmctl("asr", "remove", "asr-1", "c")
        newest = cluster.wait_agreed(self.lab, "ab", "asr-1", generation=3)
        wait_until(lambda: self.provisioning_epoch("a") > epoch, "a rekey that the copy does not know of")
        self.nmm.stop()
        put_back(self.nmm, copy)
        self.nmm.start()
        self.assertTrue(found(self.nmm, "older copy"), self.nmm.status()["findings"])
        wait_until(lambda: found(self.nmm, "hold generation 3, newer than this NMM knows of"), "it learns of it", 30)
        self.assertIn("generation-ahead", self.nmm.log.read_text())
        # Nothing is issued by itself: c, which was removed, is a member in the old records.
        executed = self.nmm.status()["counters"]["requests_executed"]
        wait_until(lambda: self.nmm.status()["counters"]["requests_executed"] > executed + 9, "their heartbeats")
        self.assertEqual(cluster.agreed(self.lab, "ab", "asr-1")[0], newest[0])
        self.assertIsNone(self.nodes["c"].asr("asr-1"))
        # The members go on without it, and the operator puts things in order.
        self.rekey("ab")
        self.nmm.akmctl("asr", "remove", "asr-1", "c")
        cluster.wait_agreed(self.lab, "ab", "asr-1", generation=4)
        self.assertEqual(found(self.nmm, "hold generation"), [])
        self.assertIsNone(self.nodes["c"].asr("asr-1"))

    def provision_anew(self, node):
        usb = node.folder / "usb"
        usb.mkdir()
        value = node.json("node", "identity")["value"]
        prepared = self.nmm.json("nmm", "bundle", node.name, "--hardware-value", value, "--endpoint", node.endpoint,
                                 "--to", usb)
        node.akmctl("node", "provision", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        node.akmctl("node", "activate", check=False)
        wait_until(lambda: node.status()["state"] == "active", f"{node.name} is active again", 30)
        cluster.wait_agreed(self.lab, "abc", "asr-1", seconds=60)
        self.rekey("abc")


if __name__ == "__main__":
    main()
