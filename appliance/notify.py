"""What a process tells systemd: ready, alive, stopping. Where no systemd supervises it, nothing is told.

It also holds open files for a process that is started anew (FDSTORE, sd_notify(3)).

A process is alive as long as its own loop calls `Watchdog.beat`: the engine from its tick, control from its
event loop, the pages from their worker. A loop that hangs sends nothing, and systemd starts the process anew.
"""

from __future__ import annotations

import os
import socket
import time
from array import array
from collections.abc import Mapping, MutableMapping, Sequence

BEATS_IN_TIMEOUT = 4
"""Signs of life in the time after which systemd gives up waiting for one."""


FIRST_DESCRIPTOR = 3
"""Of those that systemd hands to a process (sd_listen_fds(3))."""


def _tell(state: str, patience_s: float = 0.0, descriptors: Sequence[int] = ()) -> bool:
    """Send one datagram (sd_notify(3)); False when systemd does not take it within `patience_s`. It must
    never hold up a loop that has calls to carry."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return True
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.settimeout(patience_s)
        try:
            where = "\0" + address[1:] if address.startswith("@") else address
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
            to.sendmsg([state.encode()], rights, 0, where)
        except OSError:  # it is too busy, or gone: the next sign of life tries again
            return False
    return True


def ready(status: str = "", patience_s: float = 5.0) -> bool:
    """The process does its work from now on; `status` is one line for `systemctl status`. False: it could not
    be told, and systemd will end the process: who has a loop lets `Watchdog.ready` tell it."""
    return _tell("READY=1" + (f"\nSTATUS={status}" if status else ""), patience_s)


def stopping() -> None:
    """The process ends because it was asked to."""
    _tell("STOPPING=1")


def supervised(environment: Mapping[str, str] | None = None) -> bool:
    """Whether systemd listens to this process."""
    return "NOTIFY_SOCKET" in (os.environ if environment is None else environment)


def keep(descriptor: int, name: str) -> bool:
    """Hold a copy of an open file for this service, while it is started anew; False: not told.

    name: ASCII without colon, 255 at most. FDPOLL=0: systemd would close one that has something to tell.
    """
    return _tell(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", descriptors=[descriptor])


def keep_no_more(name: str, patience_s: float = 0.0) -> bool:
    """Close the copies of this name; False: not told."""
    return _tell(f"FDSTOREREMOVE=1\nFDNAME={name}", patience_s)


def take_descriptors(environment: MutableMapping[str, str] | None = None) -> dict[str, int]:
    """By name, what systemd has held for this process. To be asked once, before any program is started."""
    found = os.environ if environment is None else environment
    mine = found.pop("LISTEN_PID", "") == str(os.getpid())
    count, names = found.pop("LISTEN_FDS", "0"), found.pop("LISTEN_FDNAMES", "")
    if not mine:
        return {}
    held = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count))
    for descriptor in held:
        os.set_inheritable(descriptor, False)
    return dict(zip(names.split(":"), held, strict=True)) if held else {}


def timeout_s(environment: dict[str, str] | None = None) -> float | None:
    """After how long without a sign of life systemd starts this process anew; None: it does not watch it.

    Raises ValueError when the unit gives nonsense.
    """
    found = os.environ if environment is None else environment
    if "NOTIFY_SOCKET" not in found or "WATCHDOG_USEC" not in found:
        return None
    return int(found["WATCHDOG_USEC"]) / 1e6


class Watchdog:
    """Signs of life, as often as needed and no oftener: `beat` may be called every tick."""

    def __init__(self, timeout: float | None = None) -> None:
        """timeout: seconds, by default what systemd asks for."""
        wanted = timeout_s() if timeout is None else timeout
        self._every_s = wanted / BEATS_IN_TIMEOUT if wanted else None
        self._due_s = 0.0
        self._untold: str | None = None
        """The status that `ready` has to be told with."""

    @property
    def every_s(self) -> float | None:
        """Time between two signs; None when nobody waits for them."""
        return self._every_s

    def ready(self, status: str) -> None:
        """The process does its work from now on. What systemd does not take at once the next `beat`s tell."""
        self._untold = None if ready(status, patience_s=0.0) else status

    def beat(self) -> None:
        """The loop has come round."""
        if self._untold is not None:
            self.ready(self._untold)
        if self._every_s is None:
            return
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            _tell("WATCHDOG=1")
