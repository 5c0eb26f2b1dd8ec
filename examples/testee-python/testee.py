#!/usr/bin/env python3
"""A testee in Python: it makes the suite's attaching calls, here with bpf(2)
itself; a library in Python would stand in its place. As root, or in a kernel
that is booted for it:

    nkconform run --backend 'testee:python3 testee.py'

The package comment of adapter/testee tells what is asked and answered.
"""

import ctypes
import os
import platform
import struct
import sys

PROG_ATTACH, PROG_DETACH, PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD = 8, 9, 13, 15
PROG_QUERY, LINK_CREATE, LINK_UPDATE, LINK_GET_FD_BY_ID, LINK_DETACH = 16, 28, 29, 30, 34
ENOSPC = 28
SYS_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, layout, *values):
    """Makes a call and returns its value and the fields after it."""
    attr = ctypes.create_string_buffer(struct.pack(layout, *values), struct.calcsize(layout))
    value = libc.syscall(SYS_BPF, command, attr, len(attr))
    fields = struct.unpack(layout, attr.raw)
    if value < 0:
        error = OSError(ctypes.get_errno(), "bpf")
        error.fields = fields
        raise error
    return value, fields


class Request:
    """The numbers of a line, and the descriptors that are open meanwhile."""

    def __init__(self, words):
        self.fields = {key: int(value) for key, value in (word.split("=") for word in words)}
        self.opened = []

    def __getitem__(self, key):
        return self.fields.get(key, 0)

    def fd(self, command, key):
        """Opens the object whose id a field holds; 0 if it holds none."""
        if not self[key]:
            return 0
        self.opened.append(bpf(command, "=III", self[key], 0, 0)[0])
        return self.opened[-1]

    def prog(self, key):
        return self.fd(PROG_GET_FD_BY_ID, key)

    def link(self, key):
        return self.fd(LINK_GET_FD_BY_ID, key)

    def relative(self):
        return self["relative_id"] or self.link("relative_link_id") or self.prog("relative_prog_id")

    def close(self):
        for fd in self.opened:
            os.close(fd)


made = []  # the link made last, until it is released


def hello(_):
    return "ok name=python-bpf version=" + platform.python_version()


def attach(command):
    def answer(r):
        bpf(command, "=IIIIIIQ", r["target_ifindex"], r.prog("prog_id"), r["attach_type"], r["flags"],
            r.prog("replace_prog_id"), r.relative(), r["expected_revision"])
        return "ok"
    return answer


def prog_query(r):
    count = r["count"]
    lists = {key: (ctypes.c_uint32 * count)() for key in ("prog_ids", "prog_attach_flags", "link_ids", "link_attach_flags")
             if key.endswith("ids") or r[key]}
    at = {key: ctypes.addressof(array) for key, array in lists.items()}
    verb = "ok"
    try:
        _, fields = bpf(PROG_QUERY, "=IIIIQIIQQQQ", r["target_ifindex"], r["attach_type"], r["query_flags"], 0,
                        at["prog_ids"], count, 0, at.get("prog_attach_flags", 0), at["link_ids"],
                        at.get("link_attach_flags", 0), 0)
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        verb, fields = "errno %d" % ENOSPC, error.fields
    there = min(count, fields[5])
    ids = ["%s=%s" % (key, ",".join(map(str, array[:there]))) for key, array in lists.items()]
    return " ".join([verb, "revision=%d" % fields[10], "count=%d" % fields[5]] + ids)


def link_create(r):
    fd, _ = bpf(LINK_CREATE, "=IIIIIIQ", r.prog("prog_id"), r["target_ifindex"], r["attach_type"], r["flags"],
                r.relative(), 0, r["expected_revision"])
    made.append(fd)
    info = ctypes.create_string_buffer(64)
    bpf(OBJ_GET_INFO_BY_FD, "=IIQ", fd, len(info), ctypes.addressof(info))
    return "ok link_id=%d" % struct.unpack_from("=II", info)[1]


def link_update(r):
    bpf(LINK_UPDATE, "=IIII", r.link("link_id"), r.prog("new_prog_id"), r["flags"], r.prog("old_prog_id"))
    return "ok"


def link_detach(r):
    bpf(LINK_DETACH, "=I", r.link("link_id"))
    return "ok"


def release(_):
    while made:
        os.close(made.pop())
    return "ok"


ANSWERS = {
    "hello": hello, "prog-attach": attach(PROG_ATTACH), "prog-detach": attach(PROG_DETACH), "prog-query": prog_query,
    "link-create": link_create, "link-update": link_update, "link-detach": link_detach, "release": release,
}


def main():
    for line in sys.stdin:
        verb, *words = line.split()
        request = Request(words)
        try:
            reply = ANSWERS[verb](request) if verb in ANSWERS else "unsupported no such request"
        except OSError as error:
            reply = "errno %d" % error.errno
        request.close()
        print(reply, flush=True)


if __name__ == "__main__":
    main()
