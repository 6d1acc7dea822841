#!/usr/bin/python3
"""In a guest: numbered datagrams through the data service, until SIGTERM; what was counted goes to a file.

    traffic.py send SOCKET FILE
    traffic.py receive SOCKET FILE

When the daemon goes the connection goes; it is made anew when there is a daemon again.
"""
import json
import pathlib
import signal
import socket
import struct
import sys
import time

EVERYONE = 0xffff
PAUSE_S = 0.02


class Ended(Exception):
    pass


def end(*_):
    raise Ended


def connect(path):
    while True:
        akm = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            akm.connect(path)
            return akm
        except OSError:
            akm.close()
            time.sleep(PAUSE_S)


def send(path, counted):
    counted.update(sent=0, connections=0)
    while True:
        akm = connect(path)
        counted["connections"] += 1
        try:
            while True:
                akm.send(struct.pack(">HHI", EVERYONE, 0, counted["sent"] + 1))
                counted["sent"] += 1
                time.sleep(PAUSE_S)
        except OSError:
            akm.close()


def receive(path, counted):
    seen, last = set(), None
    counted.update(received=0, twice=0, connections=0, longest_pause_ms=0)
    while True:
        akm = connect(path)
        counted["connections"] += 1
        try:
            while message := akm.recv(2048):
                number, now = struct.unpack(">I", message[4:8])[0], time.monotonic()
                counted["twice" if number in seen else "received"] += 1
                seen.add(number)
                if last is not None:
                    counted["longest_pause_ms"] = max(counted["longest_pause_ms"], round(1000 * (now - last)))
                last = now
        except OSError:
            pass
        akm.close()


def main():
    counted = {}
    signal.signal(signal.SIGTERM, end)
    try:
        {"send": send, "receive": receive}[sys.argv[1]](sys.argv[2], counted)
    except Ended:
        pathlib.Path(sys.argv[3]).write_text(json.dumps(counted), encoding="ascii")


if __name__ == "__main__":
    main()
