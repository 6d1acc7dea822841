"""Members that were cut off come back by themselves: by the fallback chain, by the failsafe chain, and when that is
used up with the NMM's next generation. The NMM is dead until then. And one frame to a group address reaches all."""
import os
import re
import signal
import threading
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

# A majority waits NNRT for the others: whoever is later by then is left out, and has to come back itself.
TIMES = {"quorum": "majority", "nnrt_ms": 3000, "nset_ms": 6000, "fbset_ms": 8000, "fsset_ms": 10000, "grace_ms": 500,
         "resync_min_interval_s": 1}
GROUP = "239.192.7.9:7400"


def chains(node):
    """The chains by which this node has committed so far, in order."""
    return re.findall(r"AKM_CHAIN=(\w+)", node.log.read_text())


class Chains(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD)
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        cluster.activate_all(self.lab)

    def cut(self, *names):
        for name in names:
            self.lab.link(self.lab.nodes[name], up=False)

    def mend(self, *names):
        for name in names:
            self.lab.link(self.lab.nodes[name], up=True)

    def rekey(self, members):
        """One more epoch for these members, who do not wait for the others."""
        before = cluster.agreed(self.lab, members, "asr-1")
        self.lab.nodes[members[0]].akmctl("asr", "rekey", "asr-1", check=False)
        return cluster.wait_agreed(self.lab, members, "asr-1", epoch=before[1] + 1)

    def test_back_by_each_chain_and_then_by_the_nmm(self):
        nodes = self.lab.nodes
        everyone = list(nodes)
        cluster.create(self.lab, **TIMES)
        self.lab.nmm.kill()

        self.cut("e")
        before = nodes["e"].asr("asr-1")["epoch"]
        for _ in range(3):
            self.rekey(["a", "b", "c", "d"])
        self.assertEqual(nodes["e"].asr("asr-1")["epoch"], before)
        mended = time.monotonic()
        self.mend("e")
        cluster.wait_agreed(self.lab, everyone, "asr-1")
        print(f"back by the fallback chain in {time.monotonic() - mended:.1f} s (FBSET {TIMES['fbset_ms'] / 1000} s)")
        self.assertEqual(chains(nodes["e"])[-1], "fallback", "three epochs were missed, one re-root brings them back")

        # A fallback that d does not see: e was cut off for a moment and comes back first.
        time.sleep(TIMES["resync_min_interval_s"])
        self.cut("d", "e")
        self.rekey(["a", "b", "c"])
        self.mend("e")
        cluster.wait_agreed(self.lab, ["a", "b", "c", "e"], "asr-1", epoch=cluster.agreed(
            self.lab, ["a", "b", "c"], "asr-1")[1])
        self.assertEqual(chains(nodes["e"])[-1], "fallback")
        self.mend("d")
        cluster.wait_agreed(self.lab, everyone, "asr-1", seconds=120)  # three attempts of the fallback chain before
        self.assertEqual(chains(nodes["d"])[-1], "failsafe")

        # Once more: the failsafe chain is used up, and only the NMM can help.
        time.sleep(TIMES["resync_min_interval_s"])
        self.cut("d", "e")
        self.rekey(["a", "b", "c"])
        self.mend("e")
        wait_until(lambda: chains(nodes["e"])[-1] == "fallback", "e is back by the fallback chain", 60)
        self.mend("d")
        wait_until(lambda: "chains-exhausted" in nodes["d"].log.read_text(), "d has used up its chains", 120)
        self.assertIsNone(cluster.agreed(self.lab, everyone, "asr-1"))
        self.lab.nmm.start()
        generation = cluster.wait_agreed(self.lab, everyone, "asr-1", generation=None, seconds=90)[0]
        self.assertGreater(generation, 1, "the NMM has made a new generation")

    def test_a_straggler_is_named_until_it_is_back(self):
        nmm, a, e = self.lab.nmm, self.lab.nodes["a"], self.lab.nodes["e"]
        cluster.create(self.lab, install_deadline_s=2)
        known = nmm.asr("asr-1")
        self.assertEqual({(m["generation"], m["sent_generation"]) for m in known["members"]}, {(1, 1)})
        self.assertEqual(known["stragglers"], [])
        os.kill(e.daemon.pid, signal.SIGSTOP)
        self.addCleanup(e.daemon.send_signal, signal.SIGCONT)

        # A node names whom its attempt waits for.
        rekey = threading.Thread(target=a.akmctl, args=("asr", "rekey", "asr-1"), kwargs={"check": False})
        rekey.start()
        view = wait_until(lambda: self.waiting(a), "an attempt of a that waits")
        self.assertEqual([(s["name"], s["waits_for"]) for s in view["stragglers"]], [("e", "its SEI")])
        self.assertEqual((view["phase"], view["chain"], view["waits_for"]), ("SEI", "normal", "SEI of the stragglers"))
        self.assertGreater(view["target"], view["epoch"])
        self.assertGreater(view["waits_until_ns"], view["phase_since_ns"])

        # The NMM names whom its rollout waits for: before its deadline, and when the others have gone on.
        change = threading.Thread(target=nmm.akmctl, args=("asr", "rekey", "asr-1"), kwargs={"check": False})
        change.start()
        wait_until(lambda: self.straggler(nmm) == "install sent, no answer", "the NMM to name e")
        cluster.wait_agreed(self.lab, ["a", "b", "c", "d"], "asr-1", generation=2)
        change.join()
        rekey.join()
        wait_until(lambda: [s["name"] for s in nmm.asr("asr-1")["stragglers"]] == ["e"], "e to be the only straggler")
        members = {m["name"]: m for m in nmm.asr("asr-1")["members"]}
        self.assertEqual((members["e"]["generation"], members["e"]["sent_generation"]), (1, 2))
        self.assertEqual(members["a"]["generation"], 2)
        self.assertEqual((members["a"]["waits_for"], members["e"]["state"]), ("", "waiting"))
        shown = nmm.akmctl("asr", "show", "asr-1").stdout
        print(shown, flush=True)
        self.assertRegex(shown, r"Stragglers: +e\n")
        self.assertRegex(shown, r"  e +\d+ s +install sent, no answer\n")
        self.assertLessEqual(max(map(len, shown.splitlines())), 80)

        e.daemon.send_signal(signal.SIGCONT)
        cluster.wait_agreed(self.lab, list(self.lab.nodes), "asr-1", generation=2)
        back = wait_until(lambda: (lambda v: v if not v["stragglers"] else None)(nmm.asr("asr-1")), "no straggler")
        self.assertEqual({m["generation"] for m in back["members"]}, {2})
        self.assertEqual((back["phase"], back["waits_for"]), ("complete", ""))
        view = wait_until(lambda: None if a.asr("asr-1")["stragglers"] else a.asr("asr-1"), "a waits for nobody")
        print(a.akmctl("asr", "show", "asr-1").stdout, flush=True)
        self.assertTrue(all(m["since_ns"] and m["generation"] for m in view["members"] if m["name"] != "e"))

    def waiting(self, node):
        view = node.asr("asr-1")
        return view if len(view["stragglers"]) == 1 and view["phase"] == "SEI" else None

    def straggler(self, host):
        return next((s["waits_for"] for s in host.asr("asr-1")["stragglers"] if s["name"] == "e"), None)

    def test_multicast(self):
        everyone = list(self.lab.nodes)
        self.lab.start_capture()
        cluster.create(self.lab, topology="multicast", multicast_group=GROUP, nset_ms=20000)
        before = wait_until(self.when_quiet, "the end of the creation", 60)
        self.lab.nodes["a"].akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(self.lab, everyone, "asr-1", epoch=2)
        self.said_once_for_all(before)
        # Whoever restarts joins the group again.
        self.lab.nodes["b"].kill()
        self.lab.nodes["b"].start()
        cluster.wait_agreed(self.lab, everyone, "asr-1", epoch=3)

    def frames(self, name):
        """What this member has sent in the ASR, as far as tcpdump has it."""
        asr = int(self.lab.nodes["a"].asr("asr-1")["id"], 16)
        return [frame for frame in self.lab.captured(source=name) if frame.kind == 1 and frame.nonce()[0] == asr]

    def when_quiet(self):
        """The highest sequence number of each member; None unless nobody has sent for some seconds. tcpdump gets
        packets late and in batches: when it has a mark of ours, it has all that came before."""
        def highest():
            mark = b"\xff" + os.urandom(63)
            self.lab.inject(self.lab.nmm, self.lab.nodes["a"], [mark])
            wait_until(lambda: any(frame.bytes == mark for frame in self.lab.captured()), "the mark in the capture")
            return {name: max(frame.nonce()[-1] for frame in self.frames(name)) for name in self.lab.nodes}
        before = highest()
        time.sleep(4)
        return before if highest() == before else None

    def said_once_for_all(self, before):
        """The rekey from 1 to 2: what a member says first in a phase goes to the group. After that, one member may
        get an answer. `before`: the last number of each under epoch 1 until then."""
        group = GROUP.split(":")[0]
        contribution, derived = (1, 100), (2, 101)  # epoch and size of an SEI, of SEC and SEF (with a bitmap)
        for name in self.lab.nodes:
            def first():
                """Of each epoch and size, where the first of this member's frames went; and where all went."""
                frames = [frame for frame in self.frames(name)
                          if frame.nonce()[3] > 1 or frame.nonce()[-1] > before[name]]
                frames.sort(key=lambda frame: frame.nonce()[-1], reverse=True)
                found = {(frame.nonce()[3], len(frame.bytes)): frame.target for frame in frames}
                return {contribution, derived} <= found.keys() and (found, [frame.target for frame in frames])
            found, targets = wait_until(first, f"frames of {name} in each phase")
            print(f"{name}: {targets.count(group)} frames to the group, "
                  f"{len(targets) - targets.count(group)} to one member", flush=True)
            self.assertEqual(set(found.values()), {group}, f"{name} sends once for all, not once for each: {found}")


if __name__ == "__main__":
    main()
