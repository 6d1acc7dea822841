"""The audit log and its incidents on real daemons: one attack, told alike by node and NMM from the system call to the
last member's key and back; logs that hold over kill -9, and do not hold when somebody has touched them."""
import json
import random
import shutil
import time

from support import BUILD, IntegrationTest, main
from results import Book
from test_detections import read_key
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until


def verify(host, *words):
    """(intact, the verdict) of `akmctl audit verify`, whose exit status has to say the same."""
    done = host.akmctl("--json", "audit", "verify", *words, check=False)
    verdict = json.loads(done.stdout)
    assert (done.returncode == 0) == verdict["intact"], done.stderr
    return verdict["intact"], verdict


def files(host):
    return sorted((host.state / "audit").iterdir())


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class Audit(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b", "c"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        cluster.activate_all(self.lab)
        self.key = cluster.create(self.lab)

    def lines(self, host, *words):
        return [json.loads(line) for line in host.akmctl("--json", *words).stdout.splitlines()]

    def test_one_attack_is_one_incident_on_both_sides(self):
        nmm, (a, b, c) = self.lab.nmm, (self.lab.nodes[name] for name in "abc")
        read_key(b)
        wait_until(lambda: b.status()["state"] == "quarantined", "b in quarantine", 60)
        cluster.wait_agreed(self.lab, ["a", "c"], "asr-1", generation=self.key[0] + 1)
        on_nmm, = wait_until(lambda: self.critical(nmm), "an incident on the NMM", 60)
        on_node, = self.critical(b)
        self.assertEqual(on_nmm["id"], on_node["id"])
        self.assertEqual((on_nmm["class"], on_nmm["node"]), ("key-access", "b"))
        incident = on_nmm["id"]
        self.check_before(incident)

        # Killed where it stands, and taken back: the same incident goes on to its end.
        b.kill()
        b.start()
        nmm.akmctl("readmit", "b")
        wait_until(lambda: b.status()["state"] == "active", "b is back", 60)
        cluster.wait_agreed(self.lab, ["a", "b", "c"], "asr-1", generation=self.key[0] + 2)
        shown = self.shown_with(incident, [{"a", "c"}, {"a", "b", "c"}], "node-readmitted")
        self.assertEqual([one["generation"] for one in shown["generations"]], [self.key[0] + 1, self.key[0] + 2])
        self.assertIn("generation-switched", self.events(b, incident))
        for host in (nmm, b):
            print(host.akmctl("incident", "show", incident).stdout)
            self.simulated(host, incident)
        for host in (nmm, a, b, c):
            self.assertTrue(verify(host)[0], verify(host))
        book = Book("audit")
        self.killed_while_it_writes(c)
        self.assertNotIn("AKM_CLASS=audit-impaired", c.log.read_text())
        book.silent("D30", "killed while it writes its log")
        self.touched(a, b, nmm)
        for host, act, around in ((a, "a byte of the audit log changed", False), (b, "the audit log removed", False),
                                  (c, "the audit log removed, with the record of it", True)):
            wait_until(lambda host=host: "AKM_CLASS=audit-impaired" in host.log.read_text(), act, 60)
            book.detected("D30", act, around=around)

    def simulated(self, host, incident):
        """What is exported of the real incident is what `policy simulate` reads, of the node and of the NMM."""
        exported = self.lab.folder / f"incident-{host.name}.jsonl"
        exported.write_text(host.akmctl("incident", "export", incident).stdout)
        steps = self.lines(host, "policy", "simulate", str(exported), "--file", "/nonexistent", "--members", "3")
        breach, = [one for one in steps if one["class"] == "key-access"]
        self.assertEqual((breach["node"], breach["was"], breach["grade"]), ("b", "critical", "critical"))
        self.assertEqual(breach["actions"], ["revoke-local", "report", "signal", "log"])
        self.assertEqual(breach["verdict"], "evict")
        tried = self.lab.folder / "tried.toml"
        tried.write_text('[responses.key-access]\nmode = "observe"\n')
        steps = self.lines(host, "policy", "simulate", str(exported), "--file", str(tried))
        breach, = [one for one in steps if one["class"] == "key-access"]
        self.assertEqual((breach["actions"], breach["verdict"]), (["signal", "log"], ""))
        self.assertIn("revoke-local", breach["not_done"])

    def critical(self, host):
        return [one for one in self.lines(host, "incident", "list") if one["grade"] == "critical"]

    def events(self, host, incident):
        return [one["event"] for one in self.lines(host, "incident", "export", incident)]

    def shown_with(self, incident, have, *events):
        """What the NMM shows once it tells these events, and of each generation who has it: the members have their
        keys before it has read their answers."""
        def told():
            shown, = self.lines(self.lab.nmm, "incident", "show", incident)
            return (shown if [set(one["have"]) for one in shown["generations"]] == have
                    and set(events) <= {one["event"] for one in shown["records"]} else None)
        return wait_until(told, f"{have} and {events} in the incident on the NMM", 60)

    def check_before(self, incident):
        """The breach up to the last member's key, as both tell it."""
        nmm, b = self.lab.nmm, self.lab.nodes["b"]
        shown = self.shown_with(incident, [{"a", "c"}], "report-received", "breach-reported", "breach-verdict",
                                "generation-sent", "members-switched", "node-evicted")
        generation, = shown["generations"]
        self.assertEqual(generation["lack"], {})
        wait_until(lambda: "quarantine-acknowledged" in self.events(nmm, incident), "b's answer", 60)
        on_node = self.lines(b, "incident", "export", incident)
        detection = next(one for one in on_node if one["event"] == "breach-detected")
        self.assertEqual((detection["class"], detection["grade"], detection["node"]), ("key-access", "critical", "b"))
        self.assertEqual(detection["subject"]["comm"], "keyctl")
        self.assertLessEqual({"keys-revoked", "state-changed"}, {one["event"] for one in on_node})
        self.assertLess(detection["boottime_ns"], min(generation["have"].values()))
        # The record is on the disk before the daemon is idle again.
        sealed = wait_until(lambda: verify(b)[1]["sealed"] >= detection["number"], "a seal over it", 60)
        self.assertTrue(sealed)

    def killed_while_it_writes(self, node):
        chance = random.Random(7)
        for number in range(4):
            node.config.write_text(node.config.read_text() + f"\n# {number}\n")
            time.sleep(chance.random() * 0.02)
            node.kill()
            node.start()
            intact, verdict = verify(node)
            self.assertTrue(intact, verdict)

    def touched(self, a, b, nmm):
        """What somebody with the disk may do to a log, and how it is found."""
        copy = self.lab.folder / "copy"
        shutil.copytree(a.state / "audit", copy)
        self.assertTrue(verify(a, copy)[0], "seals of a copy are checked by their daemon")
        self.assertGreater(verify(a, copy)[1]["sealed"], 0)
        self.assertFalse(verify(b, copy)[0], "and no other")
        flip(next(copy.iterdir()))
        self.assertFalse(verify(a, copy)[0])
        # A byte, while it does not run: found at the start, and evidence of its own class.
        a.stop()
        flip(files(a)[0])
        a.start()
        self.assertFalse(verify(a)[0])
        self.assertTrue(any("audit log" in one for one in a.status()["findings"]))
        # A file that is gone.
        b.stop()
        for file in files(b):
            file.unlink()
        b.start()
        self.assertFalse(verify(b)[0])
        # All of it, with the sealed record that says how long it was.
        c = self.lab.nodes["c"]
        c.stop()
        (c.state / "records" / "audit").unlink()
        for file in files(c):
            file.unlink()
        c.start()
        self.assertTrue(any("audit log" in one for one in c.status()["findings"]))
        # A tail that is cut off under a running daemon.
        with files(nmm)[-1].open("r+b") as file:
            file.truncate(200)
        self.assertFalse(verify(nmm)[0])
        self.assertTrue(any("audit log" in one for one in nmm.status()["findings"]))
        self.assertEqual(a.status()["state"], "active", "it is evidence, and costs no membership")


if __name__ == "__main__":
    main()
