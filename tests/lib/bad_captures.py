#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes captures as they should not be into a directory; or, with `stream BYTES`, a good one of about so many bytes to
standard output: large packets of TCP and of another protocol, by turns. usage: bad_captures.py DIR | stream BYTES"""
import os
import struct
import sys


def tcp(seq, payload, flags=0x18, ports=(40000, 80)):
    head = struct.pack(">HHIIHHHH", *ports, seq & 0xFFFFFFFF, 1, 0x5000 | flags, 8192, 0, 0)
    total = 20 + len(head) + len(payload)
    # 0: longer than the field can say
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, total if total < 65536 else 0, 0, 0, 64, 6, 0, 0x0A000001, 0x0A000002)
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
    put("unknown-link.pcap", header(link=147) + record(syn))
    put("mixed-links.pcapng", section() + interface(1) + packet(0, syn) + interface(101) + packet(1, syn[14:]))


def stream(size):
    chunk = b"".join(record(tcp(1 + i * 100000, bytes(100000)) if i % 2 else bytes(12) + b"\x88\xb5" + bytes(200000))
                     for i in range(8))
    out = sys.stdout.buffer
    out.write(header() + record(tcp(0, b"", 2)))
    for _ in range(size // len(chunk)):
        out.write(chunk)


if sys.argv[1] == "stream":
    stream(int(sys.argv[2]))
else:
    directory(sys.argv[1])
