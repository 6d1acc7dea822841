"""The data service: datagrams of local programs through real daemons, across rekeys and after an eviction."""
import os
import threading
import time

from support import BUILD, IntegrationTest, main
from tools.lab import cluster, data
from tools.lab.lab import Lab, LabError, wait_until

TOTAL = int(os.environ.get("AKM_DATAGRAMS", "200000"))
REKEYS = int(os.environ.get("AKM_REKEYS", "100"))
LOT = 20
PATIENCE_S = 60


class DataService(IntegrationTest):
    def client(self, node):
        client = data.Client(node.data_socket("asr-1"))
        self.addCleanup(client.socket.close)
        return client

    def counters(self, node):
        return node.status()["counters"]

    def test_none_lost_none_twice(self):
        with Lab(BUILD, nodes=("a", "b", "c")) as lab:
            cluster.activate_all(lab)
            # The grace time passes while a daemon waits for its disk, and what waits meanwhile is under the old key.
            before = cluster.create(lab, grace_ms=30000, nset_ms=30000)
            a, b = lab.nodes["a"], lab.nodes["b"]
            outcomes = []

            def rekey_once():
                outcomes.append(a.akmctl("asr", "rekey", "asr-1", check=False))
            to = data.index_of(a, "asr-1", "b")
            own = data.index_of(a, "asr-1", "a")
            with data.Flood(a.data_socket("asr-1"), b.data_socket("asr-1"), to, own) as flood:
                started = time.monotonic()
                # Each rekey runs while a share of the datagrams is on its way.
                for number in range(1, REKEYS + 1):
                    rekey = threading.Thread(target=rekey_once)
                    rekey.start()
                    flood.send_until(TOTAL * number // REKEYS, lambda: not rekey.is_alive())
                    rekey.join()
                    self.assertEqual(outcomes[-1].returncode, 0, outcomes[-1].stderr)
                result = flood.finish()
                seconds = time.monotonic() - started
            epochs = cluster.wait_agreed(lab, list(lab.nodes), "asr-1")[1] - before[1]
            print(f"{result.sent} datagrams in {seconds:.1f} s ({result.sent / seconds:.0f}/s), {epochs} rekeys; "
                  f"received {result.received}, twice {result.twice}, out of order {result.out_of_order}", flush=True)
            self.assertGreaterEqual(result.sent, TOTAL)
            self.assertGreaterEqual(epochs, REKEYS)
            self.assertEqual(result.received, result.sent, "lost")
            self.assertEqual(result.twice, 0)
            for node in (a, b):
                self.assertEqual(self.counters(node)["data_dropped_slow_reader"], 0)
                self.assertEqual(self.counters(node)["refused_unknown_epoch"], 0)
            # Of the one ASR that there is: what the node counts, at least all of these.
            for node, name in ((a, "data_sent"), (b, "data_received")):
                counted = node.asr("asr-1")["counters"][name]
                self.assertEqual(counted, self.counters(node)[name])
                self.assertGreaterEqual(counted, result.sent)

    def test_nothing_from_an_evicted_member(self):
        with Lab(BUILD, nodes=("a", "b", "c")) as lab:
            lab.start_capture()
            cluster.activate_all(lab)
            before = cluster.create(lab)
            a, b, c = (lab.nodes[n] for n in "abc")
            evil = self.client(c)
            readers = [self.client(node) for node in (a, b)]
            for i in range(100):
                evil.send(data.EVERYONE, b"before %d" % i)
            for reader in readers:
                self.assertEqual([reader.receive(PATIENCE_S)[1] for _ in range(100)],
                                 [b"before %d" % i for i in range(100)])
            # c hears nothing of its eviction: it goes on as an attacker would that holds its keys.
            c.link(False)
            lab.nmm.akmctl("asr", "remove", "asr-1", "c", check=False)
            cluster.wait_agreed(lab, ["a", "b"], "asr-1", generation=before[0] + 1)
            lab.nmm.stop()
            # What c says besides, to agree on a key, say, is of the old generation too, and refused.
            wait_until(lambda: all(len(self.frames(lab, node, data_only=True)) == 100 for node in (a, b)),
                       "the frames before its eviction")
            said = {node: len(self.frames(lab, node)) - 100 for node in (a, b)}
            refused = {node: self.refused(node) for node in (a, b)}
            c.link(True)

            def besides(node):
                return len(self.frames(lab, node)) - len(self.frames(lab, node, data_only=True)) - said[node]

            def all_refused(count):
                for node, known in refused.items():
                    try:
                        wait_until(lambda: self.refused(node) == known + count + besides(node),
                                   f"{count} refused on {node.name}")
                    except LabError as error:
                        self.fail(f"{error}; {self.refused(node) - known}, {besides(node)} of them no data, by "
                                  f"{self.counters(node)}")
            # In lots for which a socket has room while the daemon waits for its disk: each of them is to be refused.
            for lot in range(0, 100, LOT):
                for i in range(lot, lot + LOT):
                    evil.send(data.EVERYONE, b"after %d" % i)
                all_refused(lot + LOT)
            # tcpdump gets packets from the kernel in batches.
            recorded = wait_until(lambda: (lambda f: f if len(f) == 200 else None)(
                [f.bytes for f in lab.captured("c", "a") if f.kind == 3]), "c's frames before and after its eviction")
            for lot in range(0, 200, LOT):
                for node in (a, b):
                    lab.inject(lab.nmm, node, recorded[lot:lot + LOT])  # a relay
                all_refused(100 + lot + LOT)
            # Both still hear each other.
            self.client(b).send(data.EVERYONE, b"end")
            self.assertEqual(readers[0].receive(PATIENCE_S)[1], b"end", "something of c was accepted")
            self.assertIsNone(readers[1].receive(0.2))
            print(f"refused on a and b: {[self.refused(n) - r for n, r in refused.items()]}", flush=True)

    def frames(self, lab, node, data_only=False):
        """Of c to the node, as the bridge has seen them."""
        return [frame for frame in lab.captured("c", node.name) if frame.kind == 3 or not data_only]

    def refused(self, node):
        """By the engine, and by the gate: the relay is an address that nobody vouches for."""
        return sum(v for k, v in self.counters(node).items() if k.startswith(("refused_", "gate_dropped_")))

    def test_sockets_come_and_go(self):
        with Lab(BUILD, nodes=("a", "b")) as lab:
            cluster.activate_all(lab)
            cluster.create(lab)
            a, b = lab.nodes["a"], lab.nodes["b"]
            client = self.client(a)
            b.kill()
            self.assertTrue(b.data_socket("asr-1").exists(), "kill -9 leaves the file")
            b.start()
            cluster.wait_agreed(lab, ["a", "b"], "asr-1", epoch=2)  # after a start members rekey
            reader = self.client(b)
            client.send(data.index_of(a, "asr-1", "b"), b"again")
            self.assertEqual(reader.receive(PATIENCE_S), (a.asr("asr-1")["own_index"], b"again"))
            lab.nmm.akmctl("asr", "delete", "asr-1", "--yes")
            wait_until(lambda: not a.data_socket("asr-1").exists(), "the socket to go")
            self.assertEqual(client.receive(PATIENCE_S), (None, b""))


if __name__ == "__main__":
    main()
