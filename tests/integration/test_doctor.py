"""akmctl doctor and support-bundle on real daemons, in a mount namespace that shows each host as it would be installed:
what is wrong with a machine is found and says what to do, what cannot be looked at is not called good, and no secret of
a node is in the archive."""
import base64
import json
import os
import pathlib
import shutil
import tarfile

from support import BUILD, HASTY_NMM, IntegrationTest, main
from tools.lab import cluster, tpm
from tools.lab.lab import Lab, run, wait_until

# $1 the build, $2 the host's etc, $3 a stand-in for /etc, $4 a stand-in for /proc/key-users
INSTALLED = r"""
set -e
mount --bind "$3" /etc
mount --bind "$2" /etc/akm
mount -t tmpfs -o mode=755 tmpfs /usr/local/sbin
for program in akmd akmctl; do
  touch /usr/local/sbin/$program
  mount --bind "$1/bin/$program" /usr/local/sbin/$program
done
mount --bind "$4" /proc/key-users
shift 4
exec "$@"
"""
AREAS = ("daemons", "tpm", "keyring", "network", "configuration", "permissions", "disk")
PIN, PASSWORD, IN_STATE = "8041665527390418", "correct-password-battery", os.urandom(48)


def forms(secret):
    """All 12 bytes in a row of a secret, raw, in hex and in base64 at each of its three offsets."""
    size = min(12, len(secret))
    for at in range(len(secret) - size + 1):
        piece = secret[at:at + size]
        yield from (piece, piece.hex().encode(), piece.hex().upper().encode())
        for offset in range(3):  # without the letters that hold bits of what stands beside the piece
            text = base64.b64encode(bytes(offset) + piece)
            yield text[(0, 2, 3)[offset]:len(text) - (0, 3, 2)[len(bytes(offset) + piece) % 3]]


class Doctor(IntegrationTest):
    needed = ("unshare", "keyctl", "tar", "setpriv")

    def setUp(self):
        self.lab = Lab(BUILD, nodes=("a", "b"))
        self.lab.__enter__()
        self.addCleanup(self.lab.close)
        self.lab.nmm.overrides |= HASTY_NMM
        for node in self.lab.nodes.values():  # files are changed under it, which is not what is tested
            node.overrides |= {"probes.enabled": False, "watch.enabled": False}
        self.a = self.lab.nodes["a"]
        self.a.consumers = [{"name": "vpn", "types": ["user"], "asr": "asr-1", "user": "root",
                             "executable": str(self.lab.program("akmctl").resolve())}]
        self.etc = self.lab.folder / "etc"
        (self.etc / "akm").mkdir(parents=True)
        for name in ("passwd", "group", "nsswitch.conf"):
            shutil.copy(pathlib.Path("/etc") / name, self.etc / name)
        self.key_users = self.lab.folder / "key-users"
        self.key_users.write_text("  990:     5 5/5 12/200 600/20000\n")

    def installed(self, *arguments, user=()):
        argv = self.lab.inside(self.a.namespace, "unshare", "--mount", "sh", "-c", INSTALLED, "sh", self.lab.build,
                               self.a.etc, self.etc, self.key_users, *user, "/usr/local/sbin/akmctl", "--bus",
                               self.a.bus_address, *arguments)
        return run(*argv, check=False)

    def doctor(self, **options):
        done = self.installed("--json", "doctor", **options)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, {"problem": 8, "warning": 7}.get(report["health"], 0), done.stderr)
        return report["checks"]

    def all_is_good(self):
        """In one report: with this test's heartbeats each late answer of the NMM is told, and taken back a second
        later."""
        checks = self.doctor()
        bad = [one for one in checks if one["area"] in AREAS and one["health"] != "good"]
        print(f"not good: {bad}" if bad else "all is good", flush=True)
        return not bad and set(AREAS) <= {one["area"] for one in checks}

    def check(self, area, name="", says="", **options):
        """The one check of that area, name and words."""
        checks = self.doctor(**options)
        some = [one for one in checks if one["area"] == area and name in one["name"] and says in one["says"]]
        self.assertEqual(len(some), 1, json.dumps(checks, indent=1))
        return some[0]

    def is_problem(self, *which, remedy):
        one = self.check(*which)
        self.assertEqual(one["health"], "problem", one)
        self.assertIn(remedy, one["remedy"])

    def test_what_is_wrong_is_found(self):
        lab, a = self.lab, self.a
        cluster.activate_all(lab, without=("b",))
        wait_until(self.all_is_good, "a report in which all is good", 60)

        a.config.chmod(0o666)
        self.is_problem("permissions", "akmd.toml", remedy="chmod go-w")
        a.config.chmod(0o644)
        a.state.chmod(0o755)
        self.is_problem("permissions", str(a.state), remedy="chmod 0700")
        a.state.chmod(0o700)

        good = a.config.read_text()
        a.config.write_text(good + "[nonsense]\nx = 1\n")
        self.is_problem("configuration", "akmd.toml", "nonsense", remedy="--print-config")
        a.config.write_text(good)

        self.key_users.write_text("  990:     5 5/5 190/200 600/20000\n")
        one = self.check("keyring", "quota", "user 990")
        self.assertEqual((one["health"], "maxkeys" in one["remedy"]), ("warning", True))

        tpm.lock_out(a)
        self.is_problem("tpm", "lockout", "it is locked out", remedy="wait that long")

        lab.nmm.stop()
        wait_until(lambda: self.check("network", "NMM")["health"] == "problem", "the silent NMM is told", 60)
        wait_until(lambda: "The NMM does not answer" in a.akmctl("status", check=False).stdout, "status says so", 60)
        a.stop()
        # The kernel ends what the daemon had open a moment after it.
        wait_until(lambda: self.check("daemons", "akmd")["says"] == "does not run", "it is gone from the bus")
        self.is_problem("daemons", "akmd", remedy="systemctl restart akmd")

        # Another user: no bus, no TPM, and neither is said to be well.
        one = self.check("tpm", "TPM", user=("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"))
        self.assertEqual(one["health"], "notice", one)
        self.assertIn("could not be looked at", one["says"])

    def plant(self):
        """{name: secret} in all places where a node has some."""
        a = self.a
        (a.state / "planted").write_bytes(IN_STATE)
        (a.etc / "pin").write_text(PIN)
        (a.etc / "akm-rootd.toml").write_text(f'[database]\nkind = "postgresql"\nconninfo = "password={PASSWORD}"\n'
                                              f'[sealing]\ntoken = "pkcs11:token=x?pin-value={PIN}"\n')
        (a.etc / "akm-nmmd.toml").write_text(f"[sealing]\npin_file = {PIN}{PIN}\n")
        key = run("keyctl", "session", "-", "sh", "-c", 'keyctl pipe "$("$@")" | od -An -v -tx1', "sh",
                  *a.akmctl_argv("asr", "export-key", "asr-1", "vpn", "--keyring", "@s")).stdout
        planted = {"state": IN_STATE, "PIN": PIN.encode(), "password": PASSWORD.encode(),
                   "kek": (a.state / "kek.sealed").read_bytes()[-64:],
                   "session key": bytes.fromhex("".join(key.split()))}
        self.assertEqual(len(planted["session key"]), 32)
        return planted

    def test_no_secret_is_in_the_archive(self):
        cluster.activate_all(self.lab)
        cluster.create(self.lab)
        planted = self.plant()
        good = self.a.config.read_text()
        self.a.config.write_text(good.replace("[sealing]", f'[sealing]\npin = "{PASSWORD}"'))
        out = self.lab.folder / "support.tar.gz"
        done = self.installed("support-bundle", "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(out.stat().st_mode & 0o7777, 0o600)
        with tarfile.open(out) as archive:
            files = {pathlib.Path(one.name).name: archive.extractfile(one).read()
                     for one in archive.getmembers() if one.isfile()}
        print({name: len(content) for name, content in files.items()})
        self.assertEqual(json.loads(files["node.json"])["state"], "active")
        self.assertIn("asr-1", {one["label"] for one in json.loads(files["asrs-of-node.json"])})
        self.assertIn(b"# database.conninfo: left out", files["akm-rootd.toml"])
        self.assertIn(b"akm-nmmd.toml: cannot be read", files["README.txt"])
        self.assertIn(b'network.listen = "10.77.0.11:7400"', files["akmd.toml"])
        content = out.read_bytes() + b"\n".join(files.values())
        for name, secret in planted.items():
            self.assertFalse(any(form in content for form in forms(secret)), name)
            # The search can find.
            for form in (secret, secret.hex().encode(), base64.b64encode(b"xy" + secret)):
                self.assertTrue(any(one in form for one in forms(secret)), name)
        again = self.installed("support-bundle", "--out", out)
        self.assertEqual(again.returncode, 1, again.stdout)
        self.assertIn("already", again.stderr)


if __name__ == "__main__":
    main()
