#!/usr/bin/env python3
"""Attaches a program to a netkit device with bpf(2) itself and runs a command
while it is attached. It knows nothing of this project:

    nkconform exec --device nk0,nk1 -- ./attach.py nk0 bpftool net show
"""

import ctypes
import os
import platform
import socket
import struct
import subprocess
import sys

BPF_PROG_LOAD, BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_QUERY, BPF_LINK_CREATE = 5, 15, 16, 28
BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY = 3, 54
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    """Makes a call and returns its value and the attr after it."""
    buffer = ctypes.create_string_buffer(attr, len(attr))
    value = libc.syscall(SYS_BPF, command, buffer, len(attr))
    if value < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return value, buffer.raw


def load(name, verdict):
    instructions = struct.pack("=BBhiBBhi", 0xB7, 0, 0, verdict, 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack(
        "=IIQQIIQII16s", BPF_PROG_TYPE_SCHED_CLS, len(instructions) // 8,
        ctypes.addressof(code), ctypes.addressof(license), 0, 0, 0, 0, 0, name.encode())
    return bpf(BPF_PROG_LOAD, attr)[0]


def link(prog, ifindex, flags=0, relative_fd=0, expected_revision=0):
    attr = struct.pack("=IIIIIIQ", prog, ifindex, BPF_NETKIT_PRIMARY, flags, relative_fd, 0, expected_revision)
    return bpf(BPF_LINK_CREATE, attr)[0]


def query(ifindex):
    """Returns a hook's revision and how many programs it has."""
    attr = struct.pack("=IIIIQI28xQ", ifindex, BPF_NETKIT_PRIMARY, 0, 0, 0, 0, 0)
    answer = struct.unpack("=IIIIQI28xQ", bpf(BPF_PROG_QUERY, attr)[1])
    return answer[6], answer[5]


def main():
    device, command = sys.argv[1], sys.argv[2:]
    ifindex = socket.if_nametoindex(device)
    links = [link(load("first", -1), ifindex)]
    before = load("second", 0)
    links.append(link(before, ifindex, flags=1 << 3))  # BPF_F_BEFORE
    try:
        link(before, ifindex, expected_revision=1)
    except OSError as err:
        print("at revision 1:", err.strerror)
    print("revision %d, %d programs" % query(ifindex), flush=True)
    status = subprocess.call(command) if command else 0
    for fd in links:
        os.close(fd)
    print("revision %d, %d programs" % query(ifindex))
    return status


if __name__ == "__main__":
    sys.exit(main())
