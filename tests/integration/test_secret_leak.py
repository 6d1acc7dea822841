"""No secret that a run has used is found outside the arena, the kernel keyring and the TPM.

The observed daemons are the product's objects with another observer linked in (daemon/crypto/secret_observer.h); it
records every secret. Then each is searched for, as bytes and as hexadecimal text, in all that an attacker could read.
"""
import os
import pathlib
import shutil
import struct
import subprocess
import unittest

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, wait_until

PIECE = 16  # a piece of this many bytes of a secret is a leak as well as the whole


def recorded(path: pathlib.Path):
    """{secret: label} of one observer's file."""
    data, at, out = path.read_bytes(), 0, {}
    while at + 8 <= len(data):
        label, size = struct.unpack("=II", data[at:at + 8])
        at += 8
        out[data[at + label:at + label + size]] = data[at:at + label].decode()
        at += label + size
    return out


def pieces(secret: bytes):
    """What to search for: the ends of a long secret, a short one whole; each as bytes and as hex text."""
    parts = {secret[:PIECE], secret[-PIECE:]} if len(secret) >= PIECE else {secret}
    return parts | {part.hex().encode() for part in parts} | {part.hex().upper().encode() for part in parts}


class SecretLeak(IntegrationTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for program in ("gcore", "dbus-monitor"):
            if shutil.which(program) is None:
                raise unittest.SkipTest(f"not installed: {program}")

    def test_search(self):
        with Lab(BUILD, nodes=("a", "b", "c"), suffix="-observed") as lab:
            for host in lab.hosts:
                host.start_journal()
                host.environment["AKM_SECRET_LOG"] = str(lab.folder / f"{host.name}.secrets")
                with open(lab.folder / f"{host.name}.dbus", "wb") as out:
                    lab.processes.append(subprocess.Popen(
                        ["dbus-monitor", "--address", host.bus_address, "--pcap"], stdout=out, stderr=subprocess.DEVNULL))
            lab.start_capture()
            self.use(lab)
            secrets = {}
            for host in lab.hosts:
                found = recorded(lab.folder / f"{host.name}.secrets")
                self.assertGreater(len(found), 10, f"the observer of {host.name} saw almost nothing")
                secrets |= found
            secrets = {s: label for s, label in secrets.items() if len(s) >= 12}
            print(f"{len(secrets)} secrets of {sorted(set(secrets.values()))}", flush=True)
            places = self.places(lab)
            leaks = [f"{label} ({len(secret)} bytes) in {place}" for place, data in places.items()
                     for secret, label in secrets.items() if any(piece in data for piece in pieces(secret))]
            self.assertEqual(leaks, [])
            # The search itself can find: the observer's own file holds every one.
            own = (lab.folder / "a.secrets").read_bytes()
            self.assertTrue(any(piece in own for secret in secrets for piece in pieces(secret)))
            print(f"searched {len(places)} places, {sum(map(len, places.values())) >> 20} MiB", flush=True)

    def use(self, lab):
        """Every way that secrets are made and moved: USB with a code, direct, ASR, join, rekey, restart."""
        for host in lab.hosts:
            host.start()
        lab.nmm.akmctl("nmm", "init")
        usb = lab.folder / "usb"
        usb.mkdir()
        a = lab.nodes["a"]
        prepared = lab.nmm.json("nmm", "prepare", "a", "--hardware-value", a.json("node", "identity")["value"],
                                "--endpoint", a.endpoint, "--to", usb)
        a.akmctl("node", "provision", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        for name in ("b", "c"):
            node = lab.nodes[name]
            lab.nmm.akmctl("nmm", "provision", name, "--bus-address", node.bus_address, "--endpoint", node.endpoint)
        for node in lab.nodes.values():
            node.akmctl("node", "activate", check=False)
        wait_until(lambda: all(n.status()["state"] == "active" for n in lab.nodes.values()), "active nodes")
        key = cluster.create(lab, names=["a", "b"])
        lab.nmm.akmctl("asr", "add", "asr-1", "c")
        key = cluster.wait_agreed(lab, "abc", "asr-1", generation=key[0] + 1)
        a.akmctl("asr", "rekey", "asr-1")
        cluster.wait_agreed(lab, "abc", "asr-1", epoch=key[1] + 1)
        lab.nodes["b"].kill()
        lab.nodes["b"].start()
        cluster.wait_agreed(lab, "abc", "asr-1", epoch=key[1] + 1)

    def places(self, lab):
        """name -> bytes: state, logs, D-Bus, packets, argv, environment, core files."""
        out = {}
        for host in lab.hosts:
            process = pathlib.Path(f"/proc/{host.daemon.pid}")
            for name in ("cmdline", "environ"):
                out[f"{host.name}: {name}"] = (process / name).read_bytes()
            core = lab.folder / f"{host.name}.core"
            # Forced by root through ptrace, which stops the daemon before it can react: the worst moment.
            done = subprocess.run(["gcore", "-o", core, str(host.daemon.pid)], capture_output=True, text=True)
            files = list(lab.folder.glob(f"{host.name}.core*"))
            self.assertTrue(files, f"no core of {host.name}: {done.stderr[-500:]}")
            for file in files:
                out[f"{host.name}: core"] = file.read_bytes()
                file.unlink()
        for path in lab.folder.rglob("*"):
            if path.is_file() and path.suffix != ".secrets" and "tpm-state" not in path.parts:
                out[str(path.relative_to(lab.folder))] = path.read_bytes()
        return out


if __name__ == "__main__":
    os.umask(0o077)
    main()
