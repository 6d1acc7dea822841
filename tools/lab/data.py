"""Programs that use the data service (docs/data-service.md): a client, and a flood that checks what arrives.

data.py SOCKET INDEX   receives a flood, tells INDEX how far it is, and prints what came as JSON.
"""
import dataclasses
import json
import pathlib
import socket
import struct
import subprocess
import sys
import time

EVERYONE = 0xffff
ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = struct.Struct(">HH")
NUMBER = struct.Struct(">Q")


class Client:
    """A connection to an ASR's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(path))

    def send(self, to, payload):
        self.socket.send(HEADER.pack(to, 0) + payload)

    def receive(self, seconds):
        """(from, payload); (None, b"") at the end of the connection, None when nothing came in time."""
        self.socket.settimeout(seconds)
        try:
            message = self.socket.recv(4096)
        except TimeoutError:
            return None
        if not message:
            return None, b""
        return HEADER.unpack_from(message)[0], message[HEADER.size:]


def index_of(host, asr, member):
    """A member's index, by its name."""
    return next(m["index"] for m in host.asr(asr)["members"] if m["name"] == member)


@dataclasses.dataclass
class Result:
    sent: int
    received: int
    twice: int
    out_of_order: int


class Flood:
    """Numbered datagrams from one socket to another, no more on their way at a time than buffers on the way hold: the
    service has no flow control of its own."""
    WINDOW, ACK_EVERY, PATIENCE_S = 1024, 128, 20

    def __init__(self, source, target, to, own_index=0, size=200):
        self.source, self.target, self.to, self.own_index = source, target, to, own_index
        self.filler = bytes(size - NUMBER.size)
        self.sent = self.known = 0

    def __enter__(self):
        self.receiver = subprocess.Popen(
            [sys.executable, "-m", "tools.lab.data", str(self.target), str(self.own_index)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.receiver.stdout.readline()  # it is connected
        self.client = Client(self.source)
        self.client.socket.settimeout(self.PATIENCE_S)
        return self

    def __exit__(self, *unused):
        self.client.socket.close()
        if self.receiver.poll() is None:
            self.receiver.terminate()
        self.receiver.wait()
        self.receiver.stdout.close()

    def acknowledge(self):
        message = self.client.socket.recv(4096)
        self.known = max(self.known, NUMBER.unpack_from(message, HEADER.size)[0])

    def send_until(self, total, also):
        """Until `total` were sent, and `also()` is true."""
        send, head, filler = self.client.socket.send, HEADER.pack(self.to, 0), self.filler
        while self.sent < total or not also():
            while self.sent - self.known >= self.WINDOW:
                self.acknowledge()
            for number in range(self.sent, self.sent + 64):
                send(head + NUMBER.pack(number) + filler)
            self.sent += 64

    def finish(self):
        self.client.send(self.to, b"")
        out, _ = self.receiver.communicate(timeout=self.PATIENCE_S)
        return Result(self.sent, **json.loads(out))


def receive(path, report_to):
    client = Client(path)
    print("ready", flush=True)
    seen = bytearray()
    received = twice = out_of_order = 0
    highest = -1
    recv, unpack = client.socket.recv, NUMBER.unpack_from
    end = None
    client.socket.settimeout(Flood.PATIENCE_S * 3)
    while end is None or time.monotonic() < end:
        try:
            message = recv(4096)
        except TimeoutError:
            break
        if len(message) <= HEADER.size:
            end = time.monotonic() + 1  # whatever comes late still counts
            client.socket.settimeout(1)
            continue
        number = unpack(message, HEADER.size)[0]
        if number >= len(seen):
            seen.extend(bytes(number + 65536 - len(seen)))
        twice += seen[number]
        seen[number] = 1
        out_of_order += number < highest
        highest = max(highest, number)
        received += 1
        if received % Flood.ACK_EVERY == 0:
            client.send(report_to, NUMBER.pack(received))
    print(json.dumps({"received": received - twice, "twice": twice, "out_of_order": out_of_order}))


if __name__ == "__main__":
    receive(sys.argv[1], int(sys.argv[2]))
