#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a pcap of the same traffic as it could have been on another day: other addresses and ports, other initial
sequence numbers and timestamp clocks of each side of each connection, another time. Only what the canonical form leaves
out is changed. usage: rewrite_capture.py SEED IN OUT (pcap, Ethernet with or without VLAN tags, or raw IP)"""
import hashlib
import struct
import sys


def number(seed, *parts):
    """32 bits that follow from the words."""
    return int.from_bytes(hashlib.sha256(repr((seed, parts)).encode()).digest()[:4], "big")


def add(data, at, offset):
    struct.pack_into(">I", data, at, (struct.unpack_from(">I", data, at)[0] + offset) & 0xFFFFFFFF)


def options_rewrite(data, at, end, own, peer):
    """Timestamps by the sides' clocks, selective acknowledgements by the peer's sequence numbers."""
    while at < end and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        if at + 1 >= end or data[at + 1] < 2 or at + data[at + 1] > end:
            return
        kind, length = data[at], data[at + 1]
        if kind == 5 and length > 2 and (length - 2) % 8 == 0:
            for block in range(at + 2, at + length, 4):
                add(data, block, peer[0])
        elif kind == 8 and length == 10:
            add(data, at + 2, own[1])
            if data[at + 6:at + 10] != bytes(4):  # an echo of 0 is none
                add(data, at + 6, peer[1])
        at += length


def tcp_rewrite(seed, data, at, ends):
    """ends: source and destination address as they were."""
    if len(data) < at + 20:
        return
    ports = struct.unpack_from(">HH", data, at)
    sides = [number(seed, "isn", end, port, other, far) for end, port, other, far in
             ((ends[0], ports[0], ends[1], ports[1]), (ends[1], ports[1], ends[0], ports[0]))]
    clocks = [number(seed, "clock", s) for s in sides]
    own, peer = zip(sides, clocks)
    key = number(seed, "ports") & 0xFFFF
    struct.pack_into(">HH", data, at, ports[0] ^ key, ports[1] ^ key)
    add(data, at + 4, own[0])
    if data[at + 13] & 0x10:
        add(data, at + 8, peer[0])
    options_rewrite(data, at + 20, min(at + (data[at + 12] >> 4) * 4, len(data)), own, peer)


def ip_rewrite(seed, data, at):
    version = data[at] >> 4 if len(data) > at else 0
    if version == 4 and len(data) >= at + 20:
        first, width, protocol, header = at + 12, 4, data[at + 9], (data[at] & 15) * 4
        whole = struct.unpack_from(">H", data, at + 6)[0] & 0x3FFF == 0
    elif version == 6 and len(data) >= at + 40:
        first, width, protocol, header, whole = at + 8, 16, data[at + 6], 40, True
    else:
        return
    ends = (bytes(data[first:first + width]), bytes(data[first + width:first + 2 * width]))
    key = number(seed, "addresses").to_bytes(4, "big") * (width // 4)
    for i in range(2 * width):
        data[first + i] ^= key[i % width]
    if protocol == 6 and whole:
        tcp_rewrite(seed, data, at + header, ends)


def main():
    seed = sys.argv[1]
    with open(sys.argv[2], "rb") as f:
        raw = f.read()
    order = "<" if raw[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    link = struct.unpack_from(order + "I", raw, 20)[0]
    day = number(seed, "day") % 1000000
    with open(sys.argv[3], "wb") as out:
        out.write(raw[:24])
        at = 24
        while at + 16 <= len(raw):
            seconds, part, captured, length = struct.unpack_from(order + "IIII", raw, at)
            data = bytearray(raw[at + 16:at + 16 + captured])
            at += 16 + captured
            ip = 0
            if link == 1:
                ip = 12
                while data[ip:ip + 2] in (b"\x81\x00", b"\x88\xa8"):
                    ip += 4
                ip = ip + 2 if data[ip:ip + 2] in (b"\x08\x00", b"\x86\xdd") else None
            if ip is not None:
                ip_rewrite(seed, data, ip)
            out.write(struct.pack(order + "IIII", (seconds + day) & 0xFFFFFFFF, part, captured, length) + data)


main()
