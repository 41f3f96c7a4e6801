#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""packets.py CASE: a client that is no kernel: it sends a VIP what kernels do not send, and looks what comes back.

It has an address of its own on the TAP device, for which it answers ARP itself, so that the kernel's stack neither sees
nor resets its connections. Each case ends in an AssertionError, or says nothing."""
import random
import select
import socket
import sys
import time

from scapy.all import ARP, IP, TCP, UDP, Ether, Raw, fragment

DEVICE, ADDRESS, VIP, PORT = "tap0", "198.51.100.77", "198.51.100.80", 80
MAC = "02:00:00:00:77:77"
SOL_PACKET, PACKET_OUTGOING, PACKET_VNET_HDR, VNET_HDR_LEN = 263, 4, 15, 10
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
REQUEST = b"GET /packets HTTP/1.1\r\nHost: packets\r\n\r\n"


class Wire:
    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.bind((DEVICE, 0))
        self.gateway = None
        self.send_arp(op="who-has", pdst=VIP, hwdst="00:00:00:00:00:00")
        self.until(lambda p: self.gateway, 5)
        assert self.gateway, "nobody answers ARP for the VIP"

    def send_arp(self, **fields):
        target = "ff:ff:ff:ff:ff:ff" if fields["op"] == "who-has" else fields["hwdst"]
        self.put(Ether(src=MAC, dst=target) / ARP(hwsrc=MAC, psrc=ADDRESS, **fields))

    def send(self, packet):
        self.put(Ether(src=MAC, dst=self.gateway) / packet)

    def put(self, frame):
        self.socket.send(bytes(VNET_HDR_LEN) + bytes(frame))

    def take(self):
        """A frame, with `segment_bytes` of those that it stands for, or None for one that we sent."""
        data, sender = self.socket.recvfrom(1 << 17)
        if sender[2] == PACKET_OUTGOING:
            return None
        p = Ether(data[VNET_HDR_LEN:])
        p.segment_bytes = int.from_bytes(data[4:6], sys.byteorder) or len(p)
        return p

    def until(self, wanted, seconds):
        """The next packet to us that is wanted, or None after a time in which none was."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                continue
            p = self.take()
            if p is None:
                continue
            if ARP in p and p[ARP].op == 1 and p[ARP].pdst == ADDRESS:
                self.send_arp(op="is-at", pdst=p[ARP].psrc, hwdst=p[ARP].hwsrc)
            elif ARP in p and p[ARP].op == 2 and p[ARP].psrc == VIP and p.dst == MAC:
                self.gateway = p[ARP].hwsrc
            if p.dst == MAC and wanted(p):
                return p
        return None


class Connection:
    """One TCP connection, by hand: `seq` is the next byte of ours, `ack` of theirs."""

    def __init__(self, wire, **syn):
        self.wire = wire
        self.port = random.randrange(20000, 60000)
        self.seq = self.start = random.randrange(1 << 32)
        self.ack = 0
        self.received = b""
        self.sizes = []
        self.reset = self.closed = False
        payload = syn.pop("payload", b"")
        self.send(payload, flags=SYN, seq=self.seq, ack=0, options=syn.pop("options", [("MSS", 1460)]))
        answer = self.wire.until(self.is_ours, 5)
        assert answer and answer[TCP].flags == "SA", f"no handshake: {answer and answer.summary()}"
        self.syn_ack = answer[TCP]
        self.seq = (self.seq + 1) % (1 << 32)
        self.ack = (answer[TCP].seq + 1) % (1 << 32)

    def is_ours(self, p):
        return TCP in p and p[TCP].dport == self.port and p[TCP].sport == PORT

    def packet(self, payload=b"", flags=ACK, seq=None, ack=None, options=(), **tcp):
        seq = self.seq if seq is None else seq
        ip = IP(src=ADDRESS, dst=VIP, id=random.randrange(1 << 16))
        p = ip / TCP(sport=self.port, dport=PORT, flags=flags, seq=seq % (1 << 32),
                     ack=self.ack if ack is None else ack, window=65535, options=list(options), **tcp)
        return p / Raw(payload) if payload else p

    def send(self, payload=b"", **fields):
        self.wire.send(self.packet(payload, **fields))

    def listen(self, seconds, enough=lambda c: False):
        """Takes and acknowledges what comes, for so long or until it is enough."""
        end = time.monotonic() + seconds
        while not enough(self) and (left := end - time.monotonic()) > 0:
            p = self.wire.until(self.is_ours, left)
            if p is None:
                return
            t = p[TCP]
            data = bytes(t.payload)[: p[IP].len - 4 * p[IP].ihl - 4 * t.dataofs]
            self.acked = t.ack
            if t.flags & RST:
                self.reset = True
                return
            if t.seq == self.ack and data:
                self.received += data
                self.sizes.append(min(len(data), p.segment_bytes))
                self.ack = (self.ack + len(data)) % (1 << 32)
            if t.flags & FIN and (t.seq + len(data)) % (1 << 32) == self.ack and not self.closed:
                self.closed = True
                self.ack = (self.ack + 1) % (1 << 32)
            if data or t.flags & FIN:
                self.send()

    def answered(self):
        return b"\r\n\r\n" in self.received and len(self.received) >= 1024

    def served(self, bytes_sent=len(REQUEST)):
        """The request that was sent is answered, once, and the connection ends in order."""
        self.seq = (self.start + 1 + bytes_sent) % (1 << 32)
        self.listen(5, Connection.answered)
        assert not self.reset, "reset"
        assert self.received.startswith(b"HTTP/1.1 200 "), self.received[:80]
        assert self.received.count(b"HTTP/1.1") == 1
        self.end()

    def end(self):
        self.send(flags=FIN | ACK)
        self.seq = (self.seq + 1) % (1 << 32)
        self.listen(5, lambda c: c.closed)
        assert self.closed, "no FIN came back"

    def silent(self, seconds=0.4):
        """Nothing that acknowledges or carries data comes."""
        before = len(self.received)
        self.acked = self.seq
        self.listen(seconds)
        assert not self.reset and len(self.received) == before and self.acked == self.seq, "it was taken"


def case_plain(wire):
    c = Connection(wire)
    c.send()
    c.send(REQUEST, flags=PSH | ACK)
    c.served()


def case_bad_checksums(wire):
    c = Connection(wire)
    c.send()
    c.send(REQUEST, chksum=0x1234)
    c.silent()
    p = c.packet(REQUEST)
    p[IP].chksum = 0x1234
    wire.send(p)
    c.silent()
    c.send(REQUEST)
    c.served()
    # and behind the hand-off
    c = Connection(wire)
    c.send(REQUEST)
    c.seq += len(REQUEST)
    c.listen(5, Connection.answered)
    c.received = b""
    c.send(REQUEST, chksum=0x4321)
    c.silent()
    c.send(REQUEST)
    c.served(2 * len(REQUEST))


def case_overlapping_segments(wire):
    c = Connection(wire)
    at = c.seq
    c.send(REQUEST[20:], seq=at + 20)
    c.send(REQUEST[5:25], seq=at + 5)
    c.send(REQUEST[30:], seq=at + 30)
    c.send(REQUEST[:12], seq=at)
    c.send(REQUEST[:30], seq=at)
    c.send(REQUEST, seq=at)
    c.served()


def case_byte_by_byte_backwards(wire):
    c = Connection(wire)
    at = c.seq
    for i in reversed(range(len(REQUEST))):
        c.send(REQUEST[i:i + 1], seq=at + i)
    for i in range(len(REQUEST)):  # (what it had no room for out of order)
        c.send(REQUEST[i:i + 1], seq=at + i)
    c.served()


def case_rst_out_of_window(wire):
    c = Connection(wire)
    c.send()
    for seq in (c.seq - 1, c.seq - 70000, c.seq + 0x40000000, c.seq + 0x7fffffff):
        c.send(flags=RST, seq=seq)
        c.send(flags=RST | ACK, seq=seq)
    c.send(REQUEST)
    c.seq += len(REQUEST)
    c.listen(5, Connection.answered)
    for seq in (c.seq - 1, c.seq - 70000, c.seq + 0x40000000):
        c.send(flags=RST, seq=seq)
    c.send(REQUEST)
    c.received = b""
    c.served(2 * len(REQUEST))


def case_rst_in_window(wire):
    """A reset that is exactly the next byte ends the connection; nothing answers it."""
    for handed in (False, True):
        c = Connection(wire)
        c.send()
        if handed:
            c.send(REQUEST)
            c.seq += len(REQUEST)
            c.listen(5, Connection.answered)
        c.send(flags=RST)
        c.send(REQUEST)
        c.received = b""
        c.listen(1)
        assert not c.received


def case_syn_with_data(wire):
    c = Connection(wire, payload=REQUEST)
    assert c.syn_ack.ack in ((c.start + 1) % (1 << 32), (c.start + 1 + len(REQUEST)) % (1 << 32))
    c.send(REQUEST, flags=PSH | ACK, seq=c.start + 1)
    c.served()


def case_syn_again(wire):
    """A SYN amid a connection, of the same sequence number or another, does not end it."""
    c = Connection(wire)
    c.send()
    c.send(flags=SYN, seq=c.start, ack=0)
    c.send(flags=SYN, seq=c.seq + 1000, ack=0)
    c.send(flags=SYN | ACK, seq=c.seq)
    c.send(REQUEST)
    c.served()


def case_illegal_flags(wire):
    """None of them opens a connection, and none breaks one."""
    c = Connection(wire)
    c.send()
    for flags in (0, FIN, SYN | FIN, SYN | RST, SYN | FIN | PSH | URG, FIN | PSH | URG, 0x3f, 0xff, 0x1c0, URG, PSH):
        wire.send(IP(src=ADDRESS, dst=VIP) / TCP(sport=c.port + 1, dport=PORT, flags=flags, seq=7, ack=9))
        if not flags & RST:
            c.send(flags=flags, seq=c.seq - 1)
    opened = wire.until(lambda p: TCP in p and p[TCP].dport == c.port + 1 and p[TCP].flags & 0x12 == 0x12, 0.5)
    assert opened is None, opened.summary()
    c.send(REQUEST)
    c.served()


def case_mss_in_ack(wire):
    """An MSS counts in a SYN only (RFC 9293 3.7.1): in an ACK it changes nothing."""
    c = Connection(wire)
    c.send(options=[("MSS", 64)])
    c.send(REQUEST, options=[("MSS", 64)])
    c.listen(5, Connection.answered)
    assert max(c.sizes) > 500, c.sizes
    c.served()


def case_tiny_mss(wire):
    """A reply is cut to it, by whoever cuts it."""
    c = Connection(wire, options=[("MSS", 100)])
    c.send(REQUEST)
    c.listen(5, Connection.answered)
    assert max(c.sizes) <= 100, c.sizes
    c.served()


def case_odd_options(wire):
    """Options that are cut, of no length, or unknown."""
    for raw in (b"\x02\x04\x05", b"\x02\x00\x05\xb4", b"\xfd\x02\x00\x00", b"\x03\x03\xff\x01", b"\x08\x0a\x00\x00",
                b"\x05\x0a\x00\x00\x00\x01\x00\x00\x00\x02", b"\x01" * 40):
        c = Connection(wire)
        padded = raw + b"\x00" * (-len(raw) % 4)
        p = c.packet(REQUEST, dataofs=5 + len(padded) // 4)
        head = bytearray(bytes(p[TCP])[:20])
        p = IP(src=ADDRESS, dst=VIP, proto=6) / Raw(bytes(head) + padded + REQUEST)
        segment = TCP(bytes(p[Raw].load))
        segment.chksum = None
        wire.send(IP(src=ADDRESS, dst=VIP) / segment)
        c.send(REQUEST)
        c.served()


def case_fragments(wire):
    """Of a fragment for a VIP it cannot be told whose it is; the segment as a whole is taken then."""
    c = Connection(wire)
    c.send()
    for piece in fragment(c.packet(REQUEST), fragsize=24):
        wire.send(piece)
    c.silent()
    c.send(REQUEST)
    c.served()


def case_nowhere(wire):
    """From and to addresses and ports that nobody has."""
    for src in ("0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.1", "198.51.100.255", VIP, "198.51.100.2", "10.77.0.3"):
        wire.send(IP(src=src, dst=VIP) / TCP(sport=PORT, dport=PORT, flags=SYN))
        wire.send(IP(src=src, dst=VIP) / TCP(sport=4000, dport=PORT, flags=SYN))
    for port in (0, 7, 81, 65535):
        wire.send(IP(src=ADDRESS, dst=VIP) / TCP(sport=4001, dport=port, flags=SYN))
        wire.send(IP(src=ADDRESS, dst=VIP) / TCP(sport=0, dport=port, flags=SYN))
        wire.send(IP(src=ADDRESS, dst=VIP) / UDP(sport=4001, dport=port) / Raw(b"x"))
    wire.send(IP(src=ADDRESS, dst=VIP, proto=132) / Raw(b"x" * 40))
    wire.send(IP(src=ADDRESS, dst=VIP, ttl=1) / TCP(sport=4002, dport=PORT, flags=SYN))
    case_plain(wire)


if __name__ == "__main__":
    random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    globals()["case_" + sys.argv[1]](Wire())
