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


def recorded(path: pathlib.Path):
    """{secret: label} of one observer's file."""
    data, at, out = path.read_bytes(), 0, {}
    while at + 8 <= len(data):
        label, size = struct.unpack("=II", data[at:at + 8])
        at += 8
        out[data[at + label:at + label + size]] = data[at:at + label].decode()
        at += label + size
    return out


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
                        ["dbus-monitor", "--address", host.bus_address, "--pcap"],
                        stdout=out, stderr=subprocess.DEVNULL))
            lab.start_capture()
            self.use(lab)
            secrets = {}
            for host in lab.hosts:
                found = recorded(lab.folder / f"{host.name}.secrets")
                self.assertGreater(len(found), 10, f"the observer of {host.name} saw almost nothing")
                secrets |= found
            print(f"{len(secrets)} secrets of {sorted(set(secrets.values()))}", flush=True)
            logs = [lab.folder / f"{host.name}.secrets" for host in lab.hosts]
            places = self.places(lab)
            found = self.search(lab, logs, places)
            self.assertEqual(found.returncode, 0, found.stdout[-4000:] + found.stderr)
            # The search itself can find: the observer's own file holds every one.
            self.assertEqual(self.search(lab, logs, logs[:1]).returncode, 1)
            print(f"searched {len(places)} places, {sum(p.stat().st_size for p in places) >> 20} MiB", flush=True)

    def search(self, lab, logs, places):
        return subprocess.run([lab.program("find_secrets"), *logs, "--", *places], capture_output=True, text=True)

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
        """Files that hold all an attacker could read: state, logs, D-Bus, packets, argv, environment, core files."""
        for host in lab.hosts:
            for name in ("cmdline", "environ"):
                copy = lab.folder / f"{host.name}.{name}"
                copy.write_bytes(pathlib.Path(f"/proc/{host.daemon.pid}/{name}").read_bytes())
            # Forced by root through ptrace, which stops the daemon before it can react: the worst moment.
            done = subprocess.run(["gcore", "-o", lab.folder / f"{host.name}.core", str(host.daemon.pid)],
                                  capture_output=True, text=True)
            self.assertTrue(list(lab.folder.glob(f"{host.name}.core*")),
                            f"no core of {host.name}: {done.stderr[-500:]}")
        for host in lab.hosts:
            host.kill()  # records come and go no more
        return [path for path in lab.folder.rglob("*")
                if path.is_file() and path.suffix != ".secrets" and "tpm-state" not in path.parts]


if __name__ == "__main__":
    os.umask(0o077)
    main()
