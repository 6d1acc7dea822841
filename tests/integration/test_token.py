"""A PKCS#11 token (SoftHSM2) carries credentials to a node, and keeps a node's storage key instead of a TPM."""
import os
import pathlib
import shutil
import stat

from support import BUILD, IntegrationTest, found, main
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
FAULTY = BUILD / "bin" / "faulty_pkcs11.so"  # SoftHSM2 with flags of a token that counts its tries
FINAL_TRY, LOCKED = 0x20000, 0x40000
PIN, WRONG_PIN = "27182818", "31415926"


class Token:
    """A token in a folder of its own, as a stick that can be pulled out."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "tokens").mkdir(parents=True)
        self.config = self.folder / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\n"
                               "log.level = ERROR\n")
        self.flags = self.folder / "flags"
        self.environment = {"SOFTHSM2_CONF": str(self.config), "AKM_FAULTY_TOKEN": str(self.flags)}
        run("softhsm2-util", "--init-token", "--free", "--label", "carrier", "--pin", PIN, "--so-pin", "5772156649",
            env=os.environ | self.environment)
        self.uri = "pkcs11:token=carrier"

    def objects(self, pin=PIN):
        """What is on it, as OpenSC shows it to who has the PIN."""
        done = run("pkcs11-tool", "--module", MODULE, "--token-label", "carrier", "--login", "--pin", pin,
                   "--list-objects", env=os.environ | self.environment)
        return done.stdout

    def logins(self):
        path = pathlib.Path(f"{self.flags}.logins")
        return len(path.read_text().splitlines()) if path.exists() else 0

    def pull_out(self):
        (self.folder / "tokens").rename(self.folder / "away")
        (self.folder / "tokens").mkdir()

    def put_back(self):
        (self.folder / "tokens").rmdir()
        (self.folder / "away").rename(self.folder / "tokens")

    def hang(self, hangs):
        """The module waits for ever, or no longer."""
        path = pathlib.Path(f"{self.flags}.hang")
        if hangs:
            path.touch()
        else:
            path.unlink()

    def save(self):
        shutil.copytree(self.folder / "tokens", self.folder / "copy")

    def restore(self):
        shutil.rmtree(self.folder / "tokens")
        shutil.copytree(self.folder / "copy", self.folder / "tokens")


class TokenTest(IntegrationTest):
    needed = ("softhsm2-util", "pkcs11-tool")

    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.token = Token(self.lab.folder / "stick")
        for host in self.lab.hosts:
            host.environment |= self.token.environment
            host.overrides |= {"pkcs11.module": str(FAULTY)}

    def prepare(self, name, pin=PIN, check=True):
        node = self.lab.nodes[name]
        return self.lab.nmm.akmctl("--json", "nmm", "bundle", name, "--endpoint", node.endpoint, "--hardware-value",
                                   node.json("node", "identity")["value"], "--to-token", self.token.uri,
                                   "--pin-file", "-", stdin=pin + "\n", check=check)

    def provision(self, node, pin=PIN, check=True):
        return node.akmctl("node", "provision", "--from", self.token.uri, "--pin-file", "-", stdin=pin + "\n",
                           check=check)

    def serials(self):
        return {node["name"]: node["serial"] for node in self.lab.nmm.json("nmm", "nodes")}

    def test_carries_credentials(self):
        a, b, nmm = self.lab.nodes["a"], self.lab.nodes["b"], self.lab.nmm
        for host in (nmm, a, b):
            host.start()
        nmm.akmctl("nmm", "init")
        done = self.prepare("a", WRONG_PIN, check=False)
        self.assertIn("the PIN is wrong", done.stderr)
        self.assertEqual(self.serials(), {}, "a wrong PIN uses up no serial")
        self.assertIn('"sealed":true', self.prepare("a").stdout)
        self.assertIn("akm bundle a", self.token.objects())
        self.assertIn("never extractable", self.token.objects())
        self.token.save()
        self.last_try_is_kept(a)
        done = self.provision(a, WRONG_PIN, check=False)
        self.assertIn("the PIN is wrong", done.stderr)
        self.assertEqual(a.status()["state"], "unprovisioned")

        # On another machine it unmasks to noise: activation fails, and a bundle is a bundle of one node.
        self.provision(a)
        wait_until(lambda: a.status()["state"] == "active", "a is active by the token")
        left = self.token.objects()
        self.assertNotIn("akm bundle", left)
        self.assertIn("akm receipt", left)
        done = self.provision(b, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("receipt of 'a'", done.stderr)
        done = self.provision(a, check=False)
        self.assertIn("there already", done.stderr)
        # Nor does a copy of the token, taken before, serve again on this node.
        a.akmctl("node", "zeroize", "--yes")
        self.token.restore()
        done = self.provision(a, check=False)
        self.assertIn("was used before", done.stderr)
        self.assertEqual(a.status()["state"], "unprovisioned")
        self.assertIn("akm bundle a", self.token.objects(), "what is refused is not destroyed")

    def last_try_is_kept(self, node):
        for flag, text in ((FINAL_TRY, "one try is left, and it was not used"), (LOCKED, "the PIN is locked")):
            before = self.token.logins()
            self.token.flags.write_text(str(flag))
            done = self.provision(node, check=False)
            self.token.flags.write_text("0")
            self.assertIn(text, done.stderr)
            self.assertEqual(self.token.logins(), before, "the PIN was tried")

    def seal_with_token(self, node):
        pin = self.token.folder / "pin"
        pin.write_text(PIN + "\n")
        pin.chmod(stat.S_IRUSR | stat.S_IWUSR)
        node.overrides |= {"sealing.mode": "token", "sealing.token": self.token.uri, "sealing.pin_file": str(pin)}
        return pin

    def test_keeps_the_storage_key(self):
        a, b, nmm = self.lab.nodes["a"], self.lab.nodes["b"], self.lab.nmm
        pin = self.seal_with_token(a)
        for host in (nmm, a, b):
            host.start()
        self.assertIn("PKCS#11 token 'carrier'", a.status()["key_storage"])
        self.assertEqual(a.status()["incarnation"], 1)
        nmm.akmctl("nmm", "init")
        for node in (a, b):
            nmm.akmctl("nmm", "provision", node.name, "--bus-address", node.bus_address, "--endpoint", node.endpoint)
            wait_until(lambda n=node: n.status()["state"] == "active", f"{node.name} is active")
        key = cluster.create(self.lab, names=["a", "b"])

        # A start with the token: the same node, the next incarnation, and rekeys go on without the token.
        a.stop()
        a.start()
        self.assertEqual((a.status()["state"], a.status()["incarnation"]), ("active", 2))
        self.token.pull_out()
        nmm.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(self.lab, ["a", "b"], "asr-1", generation=key[0] + 1)

        # Without it the daemon stays up, says why, deletes nothing, and is back when the token is.
        a.stop()
        before = self.files(a)
        a.start()
        self.assertEqual(a.status()["state"], "sealed-unavailable")
        self.assertTrue(found(a, "no token fits pkcs11:token=carrier"), a.status()["findings"])
        self.assertEqual(self.files(a), before)
        self.token.put_back()
        wait_until(lambda: (a.status() or {}).get("state") == "active", "a is back with its token", seconds=120)
        cluster.wait_agreed(self.lab, ["a", "b"], "asr-1", generation=key[0] + 1)

        # A wrong PIN is tried once a start and not again and again.
        a.stop()
        pin.write_text(WRONG_PIN + "\n")
        tries = self.token.logins()
        a.start()
        self.assertTrue(found(a, "the PIN is wrong", "restart the daemon"), a.status()["findings"])
        self.assertEqual(self.token.logins(), tries + 1)
        self.assertEqual(self.files(a), before)
        a.stop()
        pin.write_text(PIN + "\n")
        a.start()
        self.assertEqual(a.status()["state"], "active")

        # A module that hangs holds up no start: it is said, and the node is back when the module is.
        a.stop()
        self.token.hang(True)
        a.start()
        self.assertEqual(a.status()["state"], "sealed-unavailable")
        self.assertTrue(found(a, "the token is slow"), a.status()["findings"])
        self.token.hang(False)
        wait_until(lambda: (a.status() or {}).get("state") == "active", "a is back with its token", seconds=120)
        self.assertFalse(found(a, "perhaps an older copy"), a.status()["findings"])

        # An older copy of the token: its counter has gone back, which the state on the disk knows.
        a.stop()
        self.token.save()
        a.start()
        a.stop()
        self.token.restore()
        a.start()
        self.assertTrue(found(a, "the start counter went back"), a.status()["findings"])

        # Nor does it hold up a zeroize for ever; what is left on the token is named.
        self.seal_with_token(b)
        b.stop()
        shutil.rmtree(b.state)
        b.start()
        nmm.akmctl("nmm", "provision", "b", "--bus-address", b.bus_address, "--endpoint", b.endpoint)
        self.token.hang(True)
        done = b.akmctl("node", "zeroize", "--yes", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not erased: secure-element", done.stderr)
        self.assertFalse((b.state / "records" / "node").exists())
        self.token.hang(False)
        wait_until(lambda: (b.status() or {}).get("state") == "unprovisioned", "b begins anew", seconds=60)

    @staticmethod
    def files(node):
        """The names of what lies in its state folder."""
        return sorted(str(p.relative_to(node.state)) for p in node.state.rglob("*") if p.is_file())


if __name__ == "__main__":
    main()
