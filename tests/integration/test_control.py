"""What the NMM tells its nodes and asks of them: a quote of the TPM, at activation and later, and the policy of one
relationship, which a member that is away gets when it is back, though the NMM was restarted meanwhile."""
import socket
import struct

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until


def extend_pcr(host, pcr):
    """TPM2_PCR_Extend (TPM 2.0 Library, part 3, 22.2) of the SHA-256 bank with an empty password."""
    password = struct.pack(">IHBH", 0x40000009, 0, 0, 0)
    digests = struct.pack(">IH", 1, 0x000B) + b"\xaa" * 32
    body = struct.pack(">II", pcr, len(password)) + password + digests
    command = struct.pack(">HII", 0x8002, 10 + len(body), 0x182) + body
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tpm:
        tpm.connect(str(host.tpm_socket))
        tpm.sendall(command)
        answer = tpm.recv(4096)
    code = struct.unpack(">HII", answer[:10])[2]
    if code != 0:
        raise AssertionError(f"TPM2_PCR_Extend: {code:#x}")


class Control(IntegrationTest):
    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b", "c"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm = self.lab.nmm

    def attest(self, node, *arguments, exit_code=0):
        done = self.nmm.akmctl("--json", "nmm", "attest", node, *arguments, check=False)
        self.assertEqual(done.returncode, exit_code, done.stderr)
        return done.stdout + done.stderr

    def listed(self, node):
        return {entry["name"]: entry["state"] for entry in self.nmm.json("nmm", "nodes")}[node]

    def interval(self, node):
        return self.lab.nodes[node].asr("asr-1")["policy"]["rekey_interval_s"]

    def test_attestation(self):
        a, c = self.lab.nodes["a"], self.lab.nodes["c"]
        self.nmm.overrides["policy.attestation"] = "required"
        c.overrides |= {"sealing.mode": "software"}
        for host in self.lab.hosts:
            host.start()
        self.nmm.akmctl("nmm", "init")
        for name, node in self.lab.nodes.items():
            self.nmm.akmctl("nmm", "provision", name, "--bus-address", node.bus_address, "--endpoint", node.endpoint)
        wait_until(lambda: a.status()["state"] == "active", "a activates with a quote", 60)
        wait_until(lambda: "without a quote of its TPM" in self.nmm.log.read_text(), "c has no TPM and is refused", 60)
        self.assertEqual(self.listed("c"), "prepared")

        self.assertIn('"outcome":"same"', self.attest("a"))
        a.stop()
        a.start()
        wait_until(lambda: a.status()["state"] == "active", "a is back", 60)
        self.assertIn('"outcome":"same"', self.attest("a"))
        extend_pcr(a, 4)
        self.assertIn('"outcome":"changed"', self.attest("a", exit_code=1))
        self.assertIn("attestation-failed", self.nmm.log.read_text())
        self.assertEqual(self.listed("a"), "active", "other PCRs are evidence, and evict nobody")
        self.assertIn('"outcome":"accepted"', self.attest("a", "--accept"))
        self.assertIn('"outcome":"same"', self.attest("a"))

    def test_policy_of_one_relationship(self):
        cluster.activate_all(self.lab)
        generation = cluster.create(self.lab)[0]
        self.nmm.akmctl("asr", "set", "asr-1", "rekey_interval_s=600")
        self.assertEqual([self.interval(name) for name in "abc"], ["600"] * 3)

        self.lab.link(self.lab.nodes["c"], up=False)
        late = self.nmm.akmctl("--timeout", "60", "asr", "set", "asr-1", "rekey_interval_s=700", check=False)
        self.assertNotEqual(late.returncode, 0)
        self.assertIn("no answer yet from c", late.stderr)
        self.assertEqual([self.interval(name) for name in "abc"], ["700", "700", "600"])
        self.nmm.kill()
        self.nmm.start()
        self.lab.link(self.lab.nodes["c"], up=True)
        wait_until(lambda: self.interval("c") == "700", "c has the policy", 60)
        for node in self.lab.nodes.values():
            node.kill()
            node.start()
        self.assertEqual([self.interval(name) for name in "abc"], ["700"] * 3, "it was stored")
        self.assertEqual(cluster.wait_agreed(self.lab, "abc", "asr-1")[0], generation, "no generation was needed")


if __name__ == "__main__":
    main()
