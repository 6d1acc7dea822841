"""TPM import: a node tells its TPM's identity, the NMM wraps a bundle to it without a TPM, and only this TPM opens it.

The TPMs have endorsement certificates by a vendor of the test's own (swtpm-localca).
"""
import json
import shutil

from support import BUILD, IntegrationTest, main
from tools.lab.lab import Lab, run, wait_until

# The deterministic CBOR of the identity: key, then a byte string whose head has one, two or three bytes.
FIELDS = (b"\x62ak", b"\x62ek", b"\x62hw", b"\x62sk", b"\x65quote", b"\x67ek_cert", b"\x67sources", b"\x69signature")


class Vendor:
    """A manufacturer of TPMs: its own root and signing certificate."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        (folder / "localca.conf").write_text(
            f"statedir = {folder}\nsigningkey = {folder}/signkey.pem\nissuercert = {folder}/issuercert.pem\n"
            f"certserial = {folder}/certserial\n")
        (folder / "localca.options").write_text(
            "--tpm-manufacturer id:00001014\n--tpm-model swtpm\n--tpm-version id:20191023\n"
            "--platform-manufacturer lab\n--platform-version 1\n--platform-model lab\n")
        (folder / "setup.conf").write_text(
            f"create_certs_tool = {shutil.which('swtpm_localca')}\ncreate_certs_tool_config = {folder}/localca.conf\n"
            f"create_certs_tool_options = {folder}/localca.options\nactive_pcr_banks = sha256\n")

    def make_tpm(self, host):
        """A TPM with a certificate in place of the one that the host has."""
        host.tpm.terminate()
        host.tpm.wait()
        state = host.folder / "tpm-state"
        shutil.rmtree(state)
        state.mkdir()
        run("swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", self.folder / "setup.conf")
        host.start_tpm()

    def trusted_in(self, folder):
        folder.mkdir()
        for name in ("swtpm-localca-rootca-cert.pem", "issuercert.pem"):
            shutil.copy(self.folder / name, folder)


class TpmImport(IntegrationTest):
    needed = ("swtpm_setup", "swtpm_localca")

    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.a, self.b = self.lab.nmm, self.lab.nodes["a"], self.lab.nodes["b"]
        self.drive = self.lab.folder / "drive"
        self.drive.mkdir()
        vendor = Vendor(self.lab.folder / "vendor")
        for node in self.lab.nodes.values():
            vendor.make_tpm(node)
        self.roots = self.lab.folder / "roots"
        vendor.trusted_in(self.roots)
        self.nmm.overrides |= {"nmm.tpm_roots": str(self.roots), "nmm.ek_certificate": "required",
                               "policy.attestation": "required", "sealing.mode": "software"}
        self.nmm.tpm.terminate()  # whoever wraps needs no TPM
        for host in self.lab.hosts:
            host.start()
        self.nmm.akmctl("nmm", "init")

    def identity(self, node):
        path = self.lab.folder / f"{node.name}.akmidentity"
        path.unlink(missing_ok=True)
        shown = node.json("node", "identity", "--out", path)
        return path, shown["fingerprint"]

    def bundle(self, name, identity, check=True):
        return self.nmm.akmctl("--json", "nmm", "bundle", name, "--for", identity, "--endpoint",
                               self.lab.nodes[name].endpoint, "--to", self.drive, check=check)

    def refused(self, node, path, *words):
        done = node.akmctl("node", "provision", path, check=False)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_from_a_fresh_node_to_activated(self):
        identity, fingerprint = self.identity(self.a)
        done = self.bundle("a", identity)
        self.assertIn(f'"fingerprint":"{fingerprint}"', done.stdout)
        self.assertIn('"certified":true', done.stdout)
        self.assertIn("swtpm-localca-rootca", done.stdout)
        bundle = self.drive / "a.akmbundle"
        copy = self.drive / "copy.akmbundle"
        shutil.copy(bundle, copy)

        self.refused(self.b, copy, "hardware value is not the one")
        self.assertEqual(self.b.status()["state"], "unprovisioned")
        self.assertTrue(copy.exists())

        digest = json.loads(done.stdout)["digest"]
        wrong = self.a.akmctl("node", "provision", bundle, "--digest", "ab" * 32, check=False)
        self.assertIn("not the bundle with that digest", wrong.stderr)
        self.a.akmctl("node", "provision", bundle, "--digest", digest)
        self.assertFalse(bundle.exists())
        self.assertIn("use_id", (self.drive / "a.akmreceipt").read_text())
        wait_until(lambda: self.a.status()["state"] == "active", "a activates with a quote of its enrolled key", 60)
        self.assertEqual([n["state"] for n in self.nmm.json("nmm", "nodes") if n["name"] == "a"], ["active"])
        self.assertIn('"outcome":"same"', self.nmm.akmctl("--json", "nmm", "attest", "a").stdout)
        self.refused(self.a, copy, "there already")
        self.a.akmctl("node", "zeroize", "--yes")
        self.refused(self.a, copy, "was used before")

    def test_altered_identities_are_refused(self):
        identity, _ = self.identity(self.a)
        good = identity.read_bytes()
        for field in FIELDS:
            at = good.index(field) + len(field) + 12
            changed = bytearray(good)
            changed[at] ^= 1
            path = self.lab.folder / "changed"
            path.write_bytes(changed)
            done = self.bundle("a", path, check=False)
            self.assertNotEqual(done.returncode, 0, field)
            self.assertRegex(done.stderr, "failed authentication|required form", field)
        for size in (0, 1, len(good) // 2, len(good) - 1):
            path = self.lab.folder / "cut"
            path.write_bytes(good[:size])
            self.assertNotEqual(self.bundle("a", path, check=False).returncode, 0, size)
        self.assertEqual(self.nmm.json("nmm", "nodes"), [])
        self.assertEqual(list(self.drive.iterdir()), [])

    def test_without_a_trusted_vendor(self):
        identity, _ = self.identity(self.a)
        shutil.rmtree(self.roots)
        done = self.bundle("a", identity, check=False)
        self.assertIn("no root certificate of a TPM vendor", done.stderr)
        self.nmm.stop()
        self.nmm.overrides["nmm.ek_certificate"] = "none"
        self.nmm.start()
        said = self.nmm.akmctl("nmm", "bundle", "a", "--for", identity, "--endpoint", self.a.endpoint,
                               "--to", self.drive).stdout
        self.assertIn("NOT CERTIFIED: ", said)
        self.assertIn("Nobody certifies", self.nmm.log.read_text())
        # Golden PCRs that are not the node's: it opens its bundle, and does not activate.
        self.nmm.akmctl("nmm", "attest", "a", "--golden", "ab" * 32)
        self.a.akmctl("node", "provision", self.drive / "a.akmbundle")
        wait_until(lambda: "not the golden ones" in self.nmm.log.read_text(), "the activation is refused", 60)
        self.assertNotEqual(self.a.status()["state"], "active")
        digest = [line.split()[-1] for line in said.splitlines() if line.startswith("PCR digest")][0]
        self.nmm.akmctl("nmm", "attest", "a", "--golden", digest)
        self.a.akmctl("node", "activate", check=False)
        wait_until(lambda: self.a.status()["state"] == "active", "a activates with its golden PCRs", 60)


if __name__ == "__main__":
    main()
