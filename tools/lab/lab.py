"""Many hosts on one machine: each has a network namespace, a D-Bus daemon, a TPM (swtpm) and a folder of state.

The demo and the integration tests run the real daemons in it. Everything that a lab makes, it removes again: processes
by their pid, namespaces by name, one folder. Needs root.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from tools.lab import capture

ROOT = pathlib.Path(__file__).resolve().parents[2]
DBUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
    <allow receive_type="signal"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"""


PROGRAMS = {"node": "akmd", "nmm": "akm-nmmd", "root": "akm-rootd"}


class LabError(Exception):
    """Something in the lab did not do what it should; the text says what, and where its log is."""


def run(*argv, check=True, **kwargs):
    """Runs a program and returns its completed process, with the output as text."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **kwargs)
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(str(a) for a in argv)}: exit {done.returncode}: "
                       f"{done.stderr.strip() or done.stdout.strip()}")
    return done


def wait_until(condition, what, seconds=30, step=0.05):
    """Polls until `condition()` is true and returns its value; LabError names `what` did not come, and its note
    holds the ends of all logs, since the lab is gone when somebody reads it. A condition that cannot be looked at is
    not true yet: a daemon that starts anew is off the bus for a moment, and its status() None."""
    end = time.monotonic() + seconds
    while True:
        value = trouble = None
        try:
            value = condition()
        except (LabError, TypeError) as problem:
            trouble = problem
        if value:
            return value
        if time.monotonic() > end:
            error = LabError(f"did not come within {seconds} s: {what}" + (f": {trouble}" if trouble else ""))
            for host in (host for lab in Lab.running for host in lab.hosts if host.log.exists()):
                error.add_note(f"-- the log of {host.name} ends:\n{host.log_tail(25)}")
            raise error from trouble
        time.sleep(step)


class Host:
    """One machine of the lab: its namespace, bus, TPM, configuration and at most one daemon."""

    def __init__(self, lab, name, address, role):
        self.lab, self.name, self.address, self.role = lab, name, address, role
        self.namespace = f"{lab.prefix}-{name}"
        self.folder = lab.folder / name
        self.state = self.folder / "state"
        self.etc = self.folder / "etc"
        self.config = self.etc / f"{PROGRAMS[role]}.toml"
        self.log = self.folder / "daemon.log"
        self.bus_socket = self.folder / "bus"
        self.tpm_socket = self.folder / "tpm"
        self.environment = {}
        self.overrides = {}
        self.consumers = []  # [[consumers]] of a node, as dictionaries
        self.wrapper = []  # a program that runs the daemon, with its arguments
        self.journal = None
        self.bus = None
        self.tpm = None
        self.daemon = None

    @property
    def bus_address(self):
        return f"unix:path={self.bus_socket}"

    @property
    def tcti(self):
        return f"swtpm:path={self.tpm_socket}"

    @property
    def port(self):
        return 7402 if self.role == "root" else 7400

    @property
    def endpoint(self):
        return f"{self.address}:{self.port}"

    def make(self, index):
        """Namespace, veth to the switch, folders."""
        self.folder.mkdir(parents=True)
        self.etc.mkdir()
        near, far = f"v{index}", "eth0"
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.lab.switch, "link", "add", near, "type", "veth",
            "peer", "name", far, "netns", self.namespace)
        run("ip", "-n", self.lab.switch, "link", "set", near, "master", "br0", "up")
        run("ip", "-n", self.namespace, "addr", "add", f"{self.address}/24", "dev", far)
        for device in ("lo", far):
            run("ip", "-n", self.namespace, "link", "set", device, "up")
        self.make_hardware(index)

    def link(self, up):
        """Plugs its cable in or out."""
        run("ip", "-n", self.namespace, "link", "set", "eth0", "up" if up else "down")

    def data_socket(self, asr):
        """The data service's socket of an ASR with a plain name."""
        return self.folder / "run" / f"{asr}.sock"

    def make_hardware(self, index):
        """A machine of its own: the sysfs files that the hardware identity is read from."""
        dmi = self.folder / "sys/class/dmi/id"
        dmi.mkdir(parents=True)
        (dmi / "product_uuid").write_text(f"4c4c4544-0000-4a10-8000-{index:012x}\n")
        (dmi / "board_serial").write_text(f"LAB{index:06d}\n")

    def settings(self):
        """table.key -> value of this host's configuration file. Tests change `overrides`."""
        common = {
            "state.folder": str(self.state), "sealing.tcti": self.tcti,
            "keyring.name": f"{self.lab.prefix}-{self.name}",
            "network.listen": self.endpoint, "bus.address": self.bus_address, "bus.polkit": False,
            "log.target": "journal" if self.journal else "text", "log.journal_socket": str(self.folder / "journal"),
        }
        if self.role != "root":
            common["probes.pin_folder"] = ""  # many daemons: the default is of one of a kind
        if self.role == "node":
            common |= {"hardware.sysfs_root": str(self.folder / "sys"), "probes.config_folder": str(self.etc),
                       "data.folder": str(self.folder / "run"), "data.groups": []}
        elif self.role == "nmm":
            common |= {"nmm.name": self.name, "network.advertise": [self.endpoint],
                       "probes.config_folder": str(self.etc), "hardware.sysfs_root": str(self.folder / "sys")}
        else:
            common |= {"root.name": self.name, "network.advertise": [self.endpoint]}
        return common | self.overrides

    def write_config(self):
        tables = {}
        for name, value in self.settings().items():
            table, key = name.split(".", 1)
            tables.setdefault(table, []).append(f"{key} = {json.dumps(value)}")  # JSON's scalars and lists are TOML's
        texts = [f"[{table}]\n" + "\n".join(lines) + "\n\n" for table, lines in tables.items()]
        for consumer in self.consumers:
            texts.append("[[consumers]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in consumer.items()) + "\n")
        self.config.write_text("".join(texts))

    def start_journal(self):
        """A journal of our own: its native socket, each record appended to journal.records."""
        self.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.journal.bind(str(self.folder / "journal"))
        records = open(self.folder / "journal.records", "ab", buffering=0)

        def receive():
            while True:
                record = self.journal.recv(1 << 20)
                records.write(record + b"\n\n")
        threading.Thread(target=receive, daemon=True).start()

    def start_bus(self):
        config = self.folder / "dbus.conf"
        config.write_text(DBUS_CONFIG.format(socket=self.bus_socket))
        self.bus_socket.unlink(missing_ok=True)
        self.bus = self.lab.spawn(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"],
                                  self.folder / "dbus.log")
        wait_until(self.bus_socket.exists, f"D-Bus of {self.name}")

    def start_tpm(self):
        state = self.folder / "tpm-state"
        state.mkdir(exist_ok=True)
        for path in (self.tpm_socket, pathlib.Path(f"{self.tpm_socket}.ctrl")):
            path.unlink(missing_ok=True)
        self.tpm = self.lab.spawn(
            ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}",
             "--server", f"type=unixio,path={self.tpm_socket}", "--ctrl", f"type=unixio,path={self.tpm_socket}.ctrl",
             "--flags", "not-need-init,startup-clear"],
            self.folder / "swtpm.log")
        wait_until(self.tpm_socket.exists, f"TPM of {self.name}")

    def replace_tpm(self):
        """Another one in its place, with keys of its own."""
        self.tpm.terminate()
        self.tpm.wait()
        shutil.rmtree(self.folder / "tpm-state")
        self.start_tpm()

    def start(self, wait=True):
        """Starts the daemon in the namespace; waits until it answers on D-Bus."""
        self.write_config()
        program = self.lab.program(PROGRAMS[self.role] + self.lab.suffix)
        argv = self.lab.inside(self.namespace, *self.wrapper, program, "--config", self.config)
        self.daemon = self.lab.spawn(argv, self.log, self.environment)
        if wait:
            wait_until(self.answers, f"{program.name} of {self.name} on D-Bus (log: {self.log})")

    def answers(self):
        if self.daemon.poll() is not None:
            raise LabError(f"the daemon of {self.name} ended with {self.daemon.returncode}; "
                           f"its log ends:\n{self.log_tail()}")
        return self.status() is not None

    def stop(self, number=signal.SIGTERM):
        """Sends the signal to the daemon and waits until it is gone."""
        if self.daemon is None:
            return
        if self.daemon.poll() is None:
            self.daemon.send_signal(number)
        try:
            self.daemon.wait(timeout=60)
        except subprocess.TimeoutExpired as slow:
            self.daemon.kill()
            self.daemon.wait()
            raise LabError(f"the daemon of {self.name} did not end within 60 s of signal {number}") from slow
        finally:
            self.daemon = None

    def kill(self):
        self.stop(signal.SIGKILL)

    def log_tail(self, lines=15):
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(text[-lines:])

    def akmctl_argv(self, *arguments):
        return [str(self.lab.program("akmctl")), "--bus", self.bus_address, *[str(a) for a in arguments]]

    def akmctl(self, *arguments, check=True, stdin=None):
        """Runs akmctl against this host's bus; returns the completed process."""
        return run(*self.akmctl_argv(*arguments), check=check, input=stdin)

    def json(self, *arguments, stdin=None):
        """akmctl --json, parsed."""
        return json.loads(self.akmctl("--json", *arguments, stdin=stdin).stdout or "null")

    def status(self):
        """None while the daemon is not on the bus. One that waits for its disk is, and is waited for."""
        done = self.akmctl("--json", "--timeout", "20", self.role, "status", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def asr(self, name):
        """This host's view of an ASR, or None."""
        done = self.akmctl("--json", "asr", "show", name, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None


class Lab:
    """A bridge with hosts on it. Use as a context manager: it is gone afterwards, whatever happened."""
    running = []  # in this process

    def __init__(self, build, nodes=("a", "b", "c", "d", "e"), folder=None, prefix=None, suffix="", root=False,
                 spares=0):
        """`suffix`: of the daemons' program names, for builds with another observer linked in. `root`: a Root on a
        host of its own. `spares`: machines that can take the NMM's place."""
        self.suffix = suffix
        self.build = pathlib.Path(build).resolve()
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="akm-lab-"))
        self.prefix = prefix or f"akm{os.getpid()}"
        self.switch = f"{self.prefix}-sw"
        self.processes = []
        self.nmm = Host(self, "nmm", "10.77.0.1", "nmm")
        self.root = Host(self, "root", "10.77.0.2", "root") if root else None
        self.spares = [Host(self, f"spare{i}", f"10.77.0.{3 + i}", "nmm") for i in range(spares)]
        self.nodes = {name: Host(self, name, f"10.77.0.{11 + i}", "node") for i, name in enumerate(nodes)}

    @property
    def hosts(self):
        return [self.nmm, *self.nodes.values(), *([self.root] if self.root else []), *self.spares]

    def program(self, name):
        """The built program of that name."""
        path = self.build / "bin" / name
        if not os.access(path, os.X_OK):
            raise LabError(f"{name} is not built: {path}")
        return path

    @staticmethod
    def inside(namespace, *argv):
        """The argument vector that runs `argv` in the namespace. Not `ip netns exec`: that hides tracefs, which the
        probes need."""
        return ["nsenter", f"--net=/run/netns/{namespace}", *[str(a) for a in argv]]

    def spawn(self, argv, log, environment=None):
        """Starts a program whose output goes to `log`; it is ended when the lab closes."""
        with open(log, "ab") as out:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                       env={**os.environ, **(environment or {})})
        self.processes.append(process)
        return process

    def link(self, host, up):
        """Plugs the host's cable into the switch, or pulls it."""
        run("ip", "-n", self.switch, "link", "set", f"v{self.hosts.index(host) + 1}", "up" if up else "down")

    def start_capture(self):
        """Records what crosses the bridge. Inbound side of each port only, so that every datagram is there once."""
        self.capture = self.folder / "bridge.pcap"
        for host in self.hosts:  # runs of datagrams (UDP GSO) are cut apart before the bridge, not by the receiver
            run("ip", "-n", host.namespace, "link", "set", "eth0", "gso_max_segs", "1")
        self.spawn(self.inside(self.switch, "tcpdump", "-i", "any", "-Q", "in", "-U", "-B", "16384", "-Z", "root",
                               "-w", self.capture, "udp"), self.folder / "tcpdump.log")
        wait_until(lambda: self.capture.exists() and self.capture.stat().st_size >= 24, "packet capture")

    def captured(self, source=None, target=None):
        """The frames recorded so far, from and to the named hosts (all when None)."""
        def address(name):
            return None if name is None else (self.nmm if name == "nmm" else self.nodes[name]).address
        return [frame for frame in capture.frames(self.capture)
                if address(source) in (None, frame.source) and address(target) in (None, frame.target)]

    def inject(self, source, target, datagrams):
        """Sends raw datagrams to `target` from the namespace of `source`, as any program on that host could."""
        script = ("import socket,sys,struct,time\n"
                  "s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
                  "i=sys.stdin.buffer;n=0\n"
                  "while (h:=i.read(2)):\n"
                  "    s.sendto(i.read(struct.unpack('>H',h)[0]),(sys.argv[1],int(sys.argv[2])));n+=1\n"
                  "    if n%64==0: time.sleep(0.002)\n")
        stream = b"".join(struct.pack(">H", len(d)) + d for d in datagrams)
        done = subprocess.run(self.inside(source.namespace, sys.executable, "-c", script, target.address, target.port),
                              input=stream, capture_output=True)
        if done.returncode != 0:
            raise LabError(f"injecting failed: {done.stderr.decode(errors='replace')}")

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        Lab.running.append(self)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            run("ip", "netns", "add", self.switch)
            run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
            run("ip", "-n", self.switch, "link", "set", "br0", "up")
            for index, host in enumerate(self.hosts):
                host.make(index + 1)
                host.start_bus()
                host.start_tpm()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self, keep_folder=False):
        """Ends every process (newest first) and removes the namespaces and the folder."""
        if self in Lab.running:
            Lab.running.remove(self)
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        for line in run("ip", "netns", "list", check=False).stdout.splitlines():
            if line.startswith(f"{self.prefix}-"):  # also of hosts that a test has taken out of the lab
                run("ip", "netns", "delete", line.split()[0], check=False)
        if not keep_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
