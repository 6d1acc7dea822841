"""What crossed the bridge: a pcap file read back as AKM frames (docs/protocol.md, section 4)."""
import dataclasses
import pathlib
import struct

ETHERNET, LINUX_SLL, LINUX_SLL2 = 1, 113, 276
LINK_HEADER = {ETHERNET: (14, 12), LINUX_SLL: (16, 14), LINUX_SLL2: (20, 0)}  # length, offset of the EtherType


@dataclasses.dataclass(frozen=True)
class Frame:
    """One datagram; the header fields are those of section 4."""
    source: str
    target: str
    bytes: bytes

    @property
    def version(self):
        return self.bytes[0] >> 4

    @property
    def kind(self):
        return self.bytes[0] & 15

    def nonce(self):
        """What must never repeat: it names a (key, nonce) pair."""
        chain, index, incarnation, asr, generation, epoch, sequence, salt = struct.unpack(">xBHIQIIQI", self.bytes[:36])
        return asr, generation, chain, epoch, index, incarnation, salt, sequence


def frames(path: pathlib.Path, port=7400):
    """All AKM frames of a pcap file, in order. A last record that is cut off is left out."""
    data = path.read_bytes()
    if len(data) < 24:
        return
    link = struct.unpack("<I", data[20:24])[0]
    header, ethertype = LINK_HEADER[link]
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack("<I", data[at + 8:at + 12])[0]
        packet = data[at + 16:at + 16 + length]
        at += 16 + length
        if len(packet) < length or packet[ethertype:ethertype + 2] != b"\x08\x00":
            continue
        ip = packet[header:]
        udp = ip[(ip[0] & 15) * 4:]
        if ip[9] != 17 or struct.unpack(">H", udp[2:4])[0] != port:
            continue
        payload = udp[8:struct.unpack(">H", udp[4:6])[0]]
        if len(payload) >= 52:
            yield Frame(".".join(map(str, ip[12:16])), ".".join(map(str, ip[16:20])), payload)
