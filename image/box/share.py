"""Mounts a share of the network (SMB 2 and newer) and lets go of it: `python -m image.box.share open|close`.

Run by the system daemon as a unit of its own, because what is mounted inside the daemon's own view of the
file systems would be seen by nobody else. `open` reads the settings as JSON from standard input, so that the
password is in no file and no list of processes, and prints {"path"} or the problem. The kernel does the work
(cifs): nothing on the share is ever run, no link of it is followed, and a server that is silent for a minute
is an error for whoever reads or writes.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from image.box.places import Places
from image.box.problem import Problem

log = logging.getLogger(__name__)

PORT = 445
CONNECT_S = 8.0
ECHO_S = 20
"""The kernel gives a server up that has not answered three of these; a NAS whose disks sleep needs one."""
NOSUID, NODEV, NOEXEC, NOSYMFOLLOW, NOATIME = 2, 4, 8, 256, 1024
DETACH = 2
OPEN_FILES = Path("/proc/fs/cifs/open_files")
"""One line for each file that the kernel's client holds; lines of other kinds begin with #."""
ENDS_S = 20.0
"""For what was begun to end, when it has to be let go of."""
SILENT_CODE = "share_silent"
ONLY_OURS = (
    f"uid=0,gid=900,forceuid,forcegid,file_mode=0660,dir_mode=0770,soft,cache=none,echo_interval={ECHO_S}"
)

STATUS = re.compile(r"STATUS_[A-Z_]+")
NOT_LET_IN = "SessSetup"
"""In the kernel's log when user and password were refused, not when only the share was."""
NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EKEYEXPIRED, errno.EKEYREJECTED, errno.EKEYREVOKED)
SILENT = (
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED),
    *(errno.ETIMEDOUT, errno.EAGAIN, errno.EOPNOTSUPP, errno.EPIPE, errno.ENOTCONN),
)


def addresses_of(server: str) -> list[str]:
    """Addresses of a server; a name without a dot is looked for among the neighbours (mDNS) too.
    Raises Problem."""
    for name in (server, f"{server}.local") if "." not in server else (server,):
        try:
            found = socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)
        except OSError as error:
            log.info("%s: %s", name, error)
            continue
        return list(dict.fromkeys(str(one[4][0]) for one in found))
    raise Problem("share_name_unknown", f"nobody in this network knows a computer named {server}", "server")


def reachable(addresses: list[str]) -> str:
    """The first address where something listens. Raises Problem."""
    reason = ""
    for address in addresses:
        try:
            socket.create_connection((address, PORT), CONNECT_S).close()
        except OSError as error:
            reason = f"{address}: {error.strerror or error}"
            continue
        return address
    raise Problem("share_unreachable", f"the server cannot be reached ({reason})", "server", detail=reason)


def options(wanted: dict[str, str], address: str) -> str:
    """The kernel's mount options; it reads two commas as one that belongs to a value."""
    said = {"user": wanted["user"], "pass": wanted["password"]}
    said |= {"domain": wanted["domain"]} if wanted["domain"] else {}
    words = [f"ip={address}", ONLY_OURS, "iocharset=utf8"]
    words += [f"{name}={value.replace(',', ',,')}" for name, value in said.items()]
    return ",".join(words)


def mount(source: str, target: Path, data: str) -> None:
    """Mount it. Raises OSError with the kernel's reason."""
    flags = NOSUID | NODEV | NOEXEC | NOSYMFOLLOW | NOATIME
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(source.encode(), os.fsencode(target), b"cifs", ctypes.c_ulong(flags), data.encode())
    if done:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class KernelLog:
    """What the kernel says from now on."""

    def __init__(self, path: Path = Path("/dev/kmsg")) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self._file, 0, os.SEEK_END)

    def read(self) -> str:
        """All lines since it was opened."""
        found = []
        while True:
            try:
                line = os.read(self._file, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # lines were overwritten meanwhile
            if not line:
                break
            found.append(line.decode("utf-8", "replace"))
        os.close(self._file)
        return "".join(found)


def problem_of(error: OSError, said: str) -> Problem:
    """What a refused mount means; said: the kernel's log, which has the server's own words."""
    statuses = STATUS.findall(said)
    detail = statuses[-1] if statuses else error.strerror or str(error)
    if error.errno in NO_RIGHT and NOT_LET_IN not in said:
        return Problem("share_forbidden", "the server does not let this user into this share", "user")
    if error.errno in NO_RIGHT:
        return Problem(
            "share_wrong_password", f"user name or password is wrong ({detail})", "password", detail=detail
        )
    if error.errno == errno.ENOENT:
        return Problem("share_missing", "the server has no share of this name", "name")
    if error.errno in SILENT:
        return Problem(
            "share_protocol",
            f"the server answers, but does not speak SMB 2 or newer, or broke off ({detail})",
            "server",
            detail=detail,
        )
    return Problem("share_refused", f"the share cannot be used: {detail}", detail=detail)


def open_share(places: Places, wanted: dict[str, str]) -> dict[str, Any]:
    """Mount it; {"path"}. Raises Problem, OSError."""
    address = reachable(addresses_of(wanted["server"]))
    close_share(places)
    places.share.mkdir(parents=True, exist_ok=True)
    said = KernelLog()
    try:
        mount(f"//{wanted['server']}/{wanted['name']}", places.share, options(wanted, address))
    except OSError as error:
        log.warning("//%s/%s: %s", wanted["server"], wanted["name"], error)
        raise problem_of(error, said.read()) from error
    return {"path": str(places.share)}


def held(listing: Path = OPEN_FILES) -> bool:
    """Does the kernel hold a file of the share: for a program, or for what the server has yet to answer?"""
    try:
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return False  # the kernel's client was never loaded
    return any(line and not line.startswith("#") for line in lines)


def close_share(
    places: Places,
    listing: Path = OPEN_FILES,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Let go of it, also when somebody still looks at its folders.

    Not while a file is held: the kernel (6.1) panics when a share was let go of and its last file closes
    while the server has a write to answer. Raises Problem, OSError."""
    until = clock() + ENDS_S
    while held(listing):
        if clock() >= until:
            waited = f"{ENDS_S:g}"
            raise Problem(SILENT_CODE, f"the server has not answered for {waited} s", detail=waited)
        pause(0.2)
    libc = ctypes.CDLL(None, use_errno=True)
    while libc.umount2(os.fsencode(places.share), DETACH) == 0:
        pass
    if ctypes.get_errno() not in (errno.EINVAL, errno.ENOENT):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return {}


def main(words: list[str]) -> int:
    """The program."""
    if words not in (["open"], ["close"]):
        print(__doc__, file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        found = open_share(Places(), json.load(sys.stdin)) if words == ["open"] else close_share(Places())
    except Problem as problem:
        found = {"problem": problem.as_dict()}
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
