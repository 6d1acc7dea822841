"""What can become of a node's TPM, what the node says of it, and the way out that it names, followed to the end.

The node stays up in each case, deletes nothing, and takes part again afterwards.
"""
import hashlib
import shutil
import subprocess

from support import BUILD, HASTY, HASTY_NMM, IntegrationTest, found, main
from tools.lab import cluster, tpm
from tools.lab.lab import Lab, run, wait_until

TIMES = HASTY | {"resync_min_interval_s": 1}
SECRET = "correct horse battery staple"


def state(host):
    """Also while it starts anew."""
    return (host.status() or {"state": ""})["state"]


class TpmWaysOut(IntegrationTest):
    needed = ("swtpm_ioctl", "openssl")

    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b", "c"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.nmm, self.nodes = self.lab.nmm, self.lab.nodes
        self.nmm.overrides |= HASTY_NMM
        self.a = self.nodes["a"]

    def begin(self):
        cluster.activate_all(self.lab)
        cluster.create(self.lab, **TIMES)

    def rekey(self, names="abc", by="b"):
        epoch = cluster.wait_agreed(self.lab, names, "asr-1")[1]
        self.nodes[by].akmctl("asr", "rekey", "asr-1", check=False)
        return cluster.wait_agreed(self.lab, names, "asr-1", epoch=epoch + 1)

    def restart(self):
        self.a.stop()
        self.a.start()

    def back(self):
        wait_until(lambda: state(self.a) == "active", "the node is active again", 120)
        self.rekey()

    def is_unavailable(self, *words):
        """It is up without its state, says why and what to do, and the others go on."""
        self.assertEqual(state(self.a), "sealed-unavailable")
        findings = found(self.a, "could not be unsealed", *words)
        self.assertTrue(findings, self.a.status()["findings"])
        self.assertTrue((self.a.state / "kek.sealed").exists())
        self.assertEqual(self.a.json("asr", "list"), [])
        cluster.wait_agreed(self.lab, "bc", "asr-1")
        return findings[0]

    def stop_tpm(self, host=None):
        host = host or self.a
        host.tpm.terminate()
        host.tpm.wait()

    def provision_anew(self):
        """'move the state folder away and provision this machine anew (akmctl nmm prepare, akmctl node provision)'"""
        a = self.a
        a.stop()
        a.state.rename(a.folder / "away")
        a.start()
        usb = a.folder / "usb"
        usb.mkdir()
        value = a.json("node", "identity")["value"]
        prepared = self.nmm.json("nmm", "prepare", a.name, "--hardware-value", value, "--endpoint", a.endpoint,
                                 "--to", usb)
        a.akmctl("node", "provision", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        a.akmctl("node", "activate", check=False)
        self.back()

    def reseal(self, verb="reseal", secret=SECRET, check=True):
        return self.a.akmctl("node", verb, "--recovery-file", "-", stdin=secret + "\n", check=check)

    def pcr(self, number=7):
        return next(one for one in self.a.json("node", "pcr", "show")["pcrs"] if one["pcr"] == number)

    def seal_to_pcr_7(self, **more):
        tpm.extend_pcr(self.a, 7)
        self.a.overrides |= {"sealing.pcrs": ["7"]} | more
        self.restart()
        self.assertTrue(found(self.a, "sealed to no PCR, and sealing.pcrs says 7: run akmctl node reseal"),
                        self.a.status()["findings"])
        self.reseal()
        self.restart()
        self.back()
        self.assertIn("sealed to PCR 7", self.a.status()["key_storage"])
        self.assertEqual(found(self.a, "sealing.pcrs"), [])

    def test_pcr_changed(self):
        self.begin()
        refused = self.reseal(secret="short", check=False)
        self.assertEqual(refused.returncode, 0, "without PCRs the secret is of no use")
        self.a.overrides["sealing.pcrs"] = ["7"]
        self.restart()
        refused = self.reseal(check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("nothing was measured into PCR 7", refused.stderr)
        self.seal_to_pcr_7()

        before = self.pcr()["present"]
        tpm.extend_pcr(self.a, 7)
        after = hashlib.sha256(bytes.fromhex(before) + tpm.EXTENDED).hexdigest()
        self.rekey()  # running, it does not mind
        self.restart()
        said = self.is_unavailable(f"PCR 7 is {after} and was {before} at sealing", "akmctl node recover")
        self.assertIn("recovery secret", said)
        self.assertEqual(self.pcr(), {"pcr": 7, "sealed": before, "present": after})
        wrong = self.reseal("recover", "incorrect horse battery", check=False)
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("not the recovery secret", wrong.stderr)
        self.is_unavailable("PCR 7 is ")
        self.reseal("recover")
        self.back()
        self.assertEqual(self.pcr(), {"pcr": 7, "sealed": after, "present": after})
        self.restart()
        self.back()

    def test_an_update_that_was_signed_before(self):
        self.begin()
        key = self.a.folder / "policy.key"
        pem = self.a.folder / "policy.pem"
        run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        run("openssl", "ec", "-in", key, "-pubout", "-out", pem)
        self.seal_to_pcr_7(**{"sealing.policy_key": str(pem)})
        before = self.pcr()["present"]
        after = hashlib.sha256(bytes.fromhex(before) + tpm.EXTENDED).hexdigest()
        to_sign, signature = self.a.folder / "to-sign", self.a.folder / "signature"
        self.a.akmctl("node", "pcr", "predict", "--set", f"7={after}", "--out", to_sign)
        run("openssl", "dgst", "-sha256", "-sign", key, "-out", signature, to_sign)
        wrong = self.a.akmctl("node", "pcr", "authorize", "--signature", signature, check=False)
        self.assertNotEqual(wrong.returncode, 0, "a signature over other values")
        self.a.akmctl("node", "pcr", "authorize", "--set", f"7={after}", "--signature", signature)
        self.restart()
        self.back()
        tpm.extend_pcr(self.a, 7)
        self.restart()
        self.back()
        tpm.extend_pcr(self.a, 7)
        self.restart()
        self.is_unavailable("PCR 7 is ", "policy key")
        self.reseal("recover")
        self.back()

    def test_owner_cleared(self):
        self.begin()
        tpm.clear_owner(self.a)
        self.rekey()
        self.restart()
        self.is_unavailable("this TPM sealed the key", "it was cleared", "provision this machine anew")
        self.provision_anew()

    def test_swapped(self):
        self.begin()
        a = self.a
        a.stop()
        self.stop_tpm()
        own = a.folder / "tpm-state"
        own.rename(a.folder / "own-tpm")
        a.start_tpm()
        a.start()
        self.is_unavailable("this is another TPM", "swapped", "put the disk and its TPM together again")
        # The first way out.
        self.stop_tpm()
        own.rename(a.folder / "other-tpm")
        (a.folder / "own-tpm").rename(own)
        a.start_tpm()
        self.back()
        # And the second, with another TPM once more.
        a.stop()
        self.stop_tpm()
        shutil.rmtree(own)
        (a.folder / "other-tpm").rename(own)
        a.start_tpm()
        a.start()
        self.is_unavailable("this is another TPM", "provision this machine anew")
        self.provision_anew()

    def test_lockout_does_not_concern_us(self):
        self.begin()
        tpm.lock_out(self.a)
        self.restart()
        self.back()

    def test_gone_and_reset_while_running(self):
        self.begin()
        # No rekey needs a TPM: all of them are gone.
        for node in self.nodes.values():
            self.stop_tpm(node)
        for _ in range(3):
            self.rekey()
        self.restart()
        self.is_unavailable("no TPM at")
        for node in self.nodes.values():
            node.start_tpm()
        self.back()
        # Reset, and nobody has started it: what a TPM does whose power failed alone.
        run("swtpm_ioctl", "--unix", f"{self.a.tpm_socket}.ctrl", "-i")
        self.rekey()
        self.restart()
        self.is_unavailable("the TPM was reset and nobody has started it since", "restart the machine")
        self.stop_tpm()
        self.a.start_tpm()
        self.back()

    def test_slow_and_breaking(self):
        way = tpm.Way(self.a)
        self.begin()
        # 5 s a command: what needs the TPM takes its time, and nothing else waits for it.
        way.delay_s = 5
        slow = subprocess.Popen(self.a.akmctl_argv("node", "pcr", "show"), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        commands = way.commands
        tried = subprocess.Popen(self.a.akmctl_argv("--timeout", "400", "node", "reseal", "--recovery-file", "-"),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        tried.stdin.write(SECRET.encode())
        tried.stdin.close()
        wait_until(lambda: way.commands > commands, "the TPM is asked")
        for _ in range(3):
            self.assertEqual(state(self.a), "active")
            self.rekey(by="a")
        self.assertIsNone(tried.poll(), "it still waits for the TPM")
        way.delay_s = 0
        for one in (slow, tried):
            with one:
                said = one.stdout.read()
            self.assertEqual(one.returncode, 0, said)
        # Without its state it answers too while the TPM takes its time.
        self.a.stop()
        self.stop_tpm()
        self.a.start()
        self.assertEqual(state(self.a), "sealed-unavailable")
        commands = way.commands
        way.delay_s = 5
        self.a.start_tpm()
        wait_until(lambda: way.commands > commands, "the state is tried again", 60)
        for _ in range(3):
            self.assertEqual(state(self.a), "sealed-unavailable")
        way.delay_s = 0
        self.back()
        # A start with a slow TPM: the daemon is there all the same, says what it waits for, and has its state later.
        self.a.stop()
        way.delay_s = 5
        self.a.start()
        self.is_unavailable("the TPM is slow")
        way.delay_s = 0
        self.back()
        # It fails at the n-th command of a start, and is well at the next try.
        for number in (1, 4, 9, 14, 19):
            self.a.stop()
            way.commands, way.break_at = 0, number
            self.a.start()
            way.break_at = None
            self.back()


if __name__ == "__main__":
    main()
