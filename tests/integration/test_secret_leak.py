"""No secret that a run has used is found outside the arena, the kernel keyring and the TPM.

The observed daemons are the product's objects with another observer linked in (daemon/crypto/secret_observer.h); it
records every secret. Then each is searched for, as bytes and as hexadecimal text, in all that an attacker could read.
"""
import os
import pathlib
import re
import shutil
import struct
import subprocess
import unittest

from support import BUILD, IntegrationTest, main
from tools.lab import cluster
from tools.lab.lab import Lab, run, wait_until


def recorded(path: pathlib.Path):
    """{secret: label} of one observer's file."""
    data, at, out = path.read_bytes(), 0, {}
    while at + 8 <= len(data):
        label, size = struct.unpack("=II", data[at:at + 8])
        at += 8
        out[data[at + label:at + label + size]] = data[at:at + label].decode()
        at += label + size
    return out


def record(path: pathlib.Path, label: str, secret: bytes):
    """Adds a secret that only the test knows, as an observer would."""
    with open(path, "ab") as out:
        out.write(struct.pack("=II", len(label), len(secret)) + label.encode() + secret)


class ExecRecord:
    """Arguments and environment of every process that starts on this machine, however short it lives."""

    def __init__(self, lab):
        self.file, log = lab.folder / "execs", lab.folder / "exec_recorder.log"
        self.process = lab.spawn([lab.program("exec_recorder"), self.file], log)
        wait_until(lambda: "ready" in log.read_text() or self.process.poll() is not None, "exec_recorder")
        if self.process.returncode == 77:
            raise unittest.SkipTest(f"no record of the processes' arguments: {log.read_text().strip()}")
        self.log = log

    def end(self):
        """How many processes were recorded, and how many pieces are missing."""
        self.process.terminate()
        self.process.wait(timeout=60)
        return tuple(map(int, re.search(r"^(\d+) recorded, (\d+) lost$", self.log.read_text(), re.M).groups()))


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
            execs = ExecRecord(lab)
            self.use(lab)
            secrets = {}
            for host in lab.hosts:
                found = recorded(lab.folder / f"{host.name}.secrets")
                self.assertGreater(len(found), 10, f"the observer of {host.name} saw almost nothing")
                secrets |= found
            print(f"{len(secrets)} secrets of {sorted(set(secrets.values()))}", flush=True)
            logs = [lab.folder / f"{host.name}.secrets" for host in lab.hosts] + [lab.folder / "code.secrets"]
            places = self.places(lab)
            processes, lost = execs.end()
            self.assertEqual(lost, 0, "arguments or environments were not recorded")
            self.assertIn(execs.file, places)
            found = self.search(lab, logs, places)
            where = self.mappings(lab, found.stdout)
            self.assertEqual(found.returncode, 0, found.stdout[-4000:] + found.stderr + where)
            # The search itself can find: the observer's own file holds every one.
            self.assertEqual(self.search(lab, logs, logs[:1]).returncode, 1)
            print(f"searched {len(places)} places with the start of {processes} processes, "
                  f"{sum(p.stat().st_size for p in places) >> 20} MiB", flush=True)

    def test_record_of_processes_finds(self):
        """A secret that a process of a moment has in its arguments or environment is found, and only that one."""
        with Lab(BUILD, nodes=()) as lab:
            planted = {name: os.urandom(32) for name in ("argument", "environment", "none")}
            for name, secret in planted.items():
                record(lab.folder / f"{name}.secrets", name, secret)
            execs = ExecRecord(lab)
            # Far behind the beginning, and across a piece's end.
            filler = "x" * (9 * 4096 - 40)
            subprocess.run(["true", filler, planted["argument"].hex()], check=True)
            subprocess.run(["true"], check=True,
                           env={**os.environ, "FILLER": filler, "KEY": planted["environment"].hex().upper()})
            processes, lost = execs.end()
            self.assertGreaterEqual(processes, 2)
            self.assertEqual(lost, 0)
            found = {name: self.search(lab, [lab.folder / f"{name}.secrets"], [execs.file]).returncode
                     for name in planted}
            self.assertEqual(found, {"argument": 1, "environment": 1, "none": 0})

    def search(self, lab, logs, places):
        return subprocess.run([lab.program("find_secrets"), *logs, "--", *places], capture_output=True, text=True)

    def mappings(self, lab, found):
        """For what was found in core files: which memory of the process that is."""
        out = []
        for core, host, offset in re.findall(r" in (\S+/(\w+)\.core\S*) at (\d+)$", found, re.M):
            loads = re.findall(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)", run("readelf", "-lW", core).stdout)
            address = next((int(at, 16) + int(offset) - int(start, 16) for start, at, size in loads
                            if int(start, 16) <= int(offset) < int(start, 16) + int(size, 16)), None)
            if address is None:
                out.append(f"offset {offset} of {host}: no memory, so the registers of a thread")
                continue
            for line in (lab.folder / f"{host}.maps").read_text().splitlines():
                first, last = (int(end, 16) for end in line.split()[0].split("-"))
                if first <= address < last:
                    out.append(f"offset {offset} of {host}: {address:#x}, {last - address:#x} below the end of {line}")
        return "\n".join(out)

    def use(self, lab):
        """Every way that secrets are made and moved: USB with a code, direct, to a TPM, ASR, join, rekey, restart."""
        for host in lab.hosts:
            host.start()
        lab.nmm.akmctl("nmm", "init")
        usb = lab.folder / "usb"
        usb.mkdir()
        a = lab.nodes["a"]
        prepared = lab.nmm.json("nmm", "bundle", "a", "--hardware-value", a.json("node", "identity")["value"],
                                "--endpoint", a.endpoint, "--to", usb)
        for code in (prepared["code"], prepared["code"].replace("-", "")):
            record(lab.folder / "code.secrets", "one-time code as typed", code.encode())
        a.akmctl("node", "provision", prepared["path"], "--code-file", "-", stdin=prepared["code"] + "\n")
        b, c = lab.nodes["b"], lab.nodes["c"]
        lab.nmm.akmctl("nmm", "provision", "b", "--bus-address", b.bus_address, "--endpoint", b.endpoint)
        c.akmctl("node", "identity", "--out", usb / "c.akmidentity")
        c.akmctl("node", "provision", lab.nmm.json("nmm", "bundle", "c", "--for", usb / "c.akmidentity",
                                                   "--endpoint", c.endpoint, "--to", usb)["path"])
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
        """Files that hold all an attacker could read: state, logs, D-Bus, packets, argv, environment, core files.

        What a process started with is in the exec record; of the daemons also what has become of it."""
        for host in lab.hosts:
            for name in ("cmdline", "environ", "maps"):
                copy = lab.folder / f"{host.name}.{name}"
                copy.write_bytes(pathlib.Path(f"/proc/{host.daemon.pid}/{name}").read_bytes())
            # Without it a function that is bound late leaves vector registers on the stack: found once in ten runs.
            self.assertIn(b"LD_BIND_NOW=1", (lab.folder / f"{host.name}.environ").read_bytes().split(b"\0"))
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
