#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes captures as they should not be into a directory; or a good one of about so many bytes to standard output: with
`stream` one connection's large packets and those of another protocol, by turns; with `connections` one connection after
the other, each a request and a reply of 146,000 bytes. usage: bad_captures.py DIR | stream BYTES | connections BYTES"""
import os
import struct
import sys


def tcp(seq, payload, flags=0x18, port=40000, ack=1, up=True):
    ports, hosts = (port, 80), (0x0A000001, 0x0A000002)
    head = struct.pack(">HHIIHHHH", *(ports if up else ports[::-1]), seq & 0xFFFFFFFF, ack, 0x5000 | flags, 65535, 0, 0)
    total = 20 + len(head) + len(payload)
    # 0: longer than the field can say
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, total if total < 65536 else 0, 0, 0, 64, 6, 0, *(hosts if up else hosts[::-1]))
    return bytes(12) + b"\x08\x00" + ip + head + payload


def header(link=1, snap=262144):
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link)


def record(data, at=(1, 0), captured=None, length=None):
    return struct.pack("<IIII", *at, len(data) if captured is None else captured, len(data) if length is None else length) + data


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def section():
    return block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(link):
    return block(1, struct.pack("<HHI", link, 0, 262144))


def packet(number, data):
    return block(6, struct.pack("<IIIII", number, 0, 1000, len(data), len(data)) + data)


def directory(path):
    def put(name, data):
        with open(os.path.join(path, name), "wb") as f:
            f.write(data)

    syn, answer = tcp(0, b"", 2), tcp(1, b"x" * 1000)
    put("empty.pcap", b"")
    put("text.pcap", b"this is not a capture\n")
    put("header-only.pcap", header())
    put("header-cut.pcap", header()[:20])
    put("record-cut.pcap", header() + record(syn) + record(answer)[:200])
    put("record-header-cut.pcap", header() + record(syn) + record(answer)[:10])
    put("block-cut.pcapng", section() + interface(1) + packet(0, syn) + packet(0, answer)[:100])
    put("snapped.pcap", header(snap=96) + record(syn) + record(answer[:96], length=len(answer)) +
        record(answer[:40], length=len(answer)) + record(answer[:20], length=len(answer)) + record(b"", length=60))
    put("absurd-length.pcap", header() + record(syn) + record(answer, captured=0x7FFFFFFF, length=0x7FFFFFFF))
    put("absurd-wire-length.pcap", header() + record(syn) + record(answer, length=0xFFFFFFFF))
    put("absurd-block.pcapng", section() + interface(1) + packet(0, syn) + struct.pack("<II", 6, 0xFFFFFFF0) + bytes(64))
    put("absurd-ip-length.pcap", header() + record(syn) + record(answer[:16] + b"\xff\xff" + answer[18:]) +
        record(answer[:16] + b"\x00\x03" + answer[18:]))
    put("backwards.pcap", header() + record(syn, (1000, 5)) + record(answer, (999, 999999)) + record(answer, (0, 0)) +
        record(answer, (0xFFFFFFFF, 999999)))
    whole = header() + b"".join(record(p, (1, i)) for i, p in enumerate(conversation(40000)))
    put("whole-then-absurd.pcap", whole + record(answer, captured=0x7FFFFFFF, length=0x7FFFFFFF))
    put("whole-then-cut.pcap", whole + record(tcp(0, b"", 2, 40001)) + record(answer)[:100])
    put("whole-backwards.pcap", header() + b"".join(record(p, (1000 - i % 7, i)) for i, p in enumerate(conversation(40000))))
    put("unknown-link.pcap", header(link=147) + record(syn))
    put("mixed-links.pcapng", section() + interface(1) + packet(0, syn) + interface(101) + packet(1, syn[14:]))


def stream(size):
    chunk = b"".join(record(tcp(1 + i * 100000, bytes(100000)) if i % 2 else bytes(12) + b"\x88\xb5" + bytes(200000))
                     for i in range(8))
    out = sys.stdout.buffer
    out.write(header() + record(tcp(0, b"", 2)))
    for _ in range(size // len(chunk)):
        out.write(chunk)


def conversation(port):
    """A connection, a request and its reply, as the packets of a capture."""
    request = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 145956\r\n\r\n".ljust(146000, b"r")
    up, down = 1 + len(request), 1 + len(reply)
    packets = [tcp(0, b"", 2, port), tcp(0, b"", 0x12, port, 1, False), tcp(1, b"", 0x10, port), tcp(1, request, 0x18, port)]
    for at in range(0, len(reply), 2920):
        packets += [tcp(1 + at + i, reply[at + i:at + i + 1460], 0x18, port, up, False) for i in (0, 1460)]
        packets.append(tcp(up, b"", 0x10, port, 1 + at + 2920))
    packets += [tcp(down, b"", 0x11, port, up, False), tcp(up, b"", 0x11, port, down + 1), tcp(down + 1, b"", 0x10, port, up + 1, False)]
    return packets


def connections(size):
    out = sys.stdout.buffer
    out.write(header())
    written = number = 0
    while written < size:
        chunk = b"".join(record(p, (1 + number // 1000, number % 1000 * 1000 + i)) for i, p in
                         enumerate(conversation(1024 + number % 60000)))
        out.write(chunk)
        written += len(chunk)
        number += 1


if sys.argv[1] == "stream":
    stream(int(sys.argv[2]))
elif sys.argv[1] == "connections":
    connections(int(sys.argv[2]))
else:
    directory(sys.argv[1])
