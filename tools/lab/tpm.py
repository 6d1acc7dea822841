"""What others than AKM do to a host's TPM: commands in its own wire form (TPM 2.0 Library, part 3), and a slow or
broken way to it."""
import socket
import struct
import subprocess
import threading
import time

PASSWORD_SESSION = 0x40000009
PLATFORM_LOCKOUT = 0x4000000A
OWNER = 0x40000001
SHA256 = 0x000B
RC_LOCKOUT = 0x921


def exchange(path, data):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tpm:
        tpm.connect(str(path))
        tpm.sendall(data)
        return tpm.recv(4096)


def command(host, code, handles, parameters=b"", password=b""):
    """Sends a command with one password session; returns the response code and what follows it."""
    session = struct.pack(">IHBH", PASSWORD_SESSION, 0, 0, len(password)) + password
    body = b"".join(struct.pack(">I", handle) for handle in handles)
    body += struct.pack(">I", len(session)) + session + parameters
    answer = exchange(host.tpm_socket, struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
    return struct.unpack(">HII", answer[:10])[2], answer[10:]


def checked(host, code, handles, parameters=b""):
    response, rest = command(host, code, handles, parameters)
    if response != 0:
        raise AssertionError(f"TPM command {code:#x}: {response:#x}")
    return rest


EXTENDED = b"\xaa" * 32


def extend_pcr(host, pcr):
    """TPM2_PCR_Extend (22.2) of the SHA-256 bank by EXTENDED: what other firmware or another kernel does."""
    checked(host, 0x182, [pcr], struct.pack(">IH", 1, SHA256) + EXTENDED)


def clear_owner(host):
    """TPM2_Clear (24.6): what the firmware's setup calls "clear TPM"."""
    checked(host, 0x126, [PLATFORM_LOCKOUT])


def _power_cycle(host, shutdown, startup):
    """What the platform does: TPM2_Shutdown (9.4) where it is orderly, power off and on, TPM2_Startup (9.3)."""
    if shutdown is not None:
        exchange(host.tpm_socket, struct.pack(">HIIH", 0x8001, 12, 0x145, shutdown))
    done = subprocess.run(["swtpm_ioctl", "--unix", f"{host.tpm_socket}.ctrl", "-i"], capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"swtpm_ioctl: {done.stderr.strip()}")
    answer = exchange(host.tpm_socket, struct.pack(">HIIH", 0x8001, 12, 0x144, startup))
    if struct.unpack(">HII", answer[:10])[2] != 0:
        raise AssertionError(f"TPM2_Startup: {answer.hex()}")


def reset(host):
    """The TPM begins anew while the machine goes on, as when its reset line is pulled."""
    _power_cycle(host, None, 0)


def suspend(host):
    """Sleep and resume: a restart that keeps the state, and counts as one."""
    _power_cycle(host, 1, 1)


def lock_out(host, index=0x01800B00):
    """Wrong authorisations of an NV index under dictionary-attack protection, until the TPM is in lockout."""
    auth = b"right"
    attributes = 1 << 2 | 1 << 18 | 1 << 1 | 1 << 17  # AUTHWRITE, AUTHREAD, OWNERWRITE, OWNERREAD; not NO_DA
    public = struct.pack(">IHIHH", index, SHA256, attributes, 0, 8)
    checked(host, 0x12A, [OWNER], struct.pack(">H", len(auth)) + auth + struct.pack(">H", len(public)) + public)
    for _ in range(64):
        response, _ = command(host, 0x137, [index, index], struct.pack(">H", 8) + bytes(8) + struct.pack(">H", 0),
                              password=b"wrong")
        if response == RC_LOCKOUT:
            return
    raise AssertionError(f"no lockout, but {response:#x}")


class Way:
    """A socket that leads to the host's TPM and holds up each command by `delay_s`, or breaks the connection at the
    command of number `break_at`. Counts the commands. Ends with the process."""

    def __init__(self, host):
        self.host = host
        self.delay_s = 0.0
        self.break_at = None
        self.commands = 0
        self.path = host.folder / "way"
        (host.folder / "way.ctrl").symlink_to(f"{host.tpm_socket}.ctrl")
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        host.overrides["sealing.tcti"] = f"swtpm:path={self.path}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tpm:
                try:
                    tpm.connect(str(self.host.tpm_socket))
                    self.carry(client, tpm)
                except OSError:
                    pass

    def carry(self, client, tpm):
        while request := client.recv(8192):
            self.commands += 1
            if self.commands == self.break_at:
                return
            end = time.monotonic() + self.delay_s
            while time.monotonic() < end and self.delay_s > 0:  # a delay that is taken back ends at once
                time.sleep(0.02)
            tpm.sendall(request)
            client.sendall(tpm.recv(8192))
