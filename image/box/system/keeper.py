"""What a box needs to take calls when its data partition cannot be read, and to be itself when its config
partition cannot: the plan and the recovery key go from /data to /config, all of /config goes to /data."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from image.box import disk, files
from image.box.configcopy import ConfigCopy
from image.box.places import Places

EVERY_S = 10.0
MAX_BYTES = 8 << 20
IN_MEMORY = ("unreadable", "missing")
"""What `image.box.disk` says of a data partition that is not there."""


class Keeper:
    """Renews copies when what they are of has changed."""

    def __init__(self, places: Places, group: int | None) -> None:
        """group: may read the plan and the key in /config; None leaves it as it is (not root)."""
        self._places = places
        self._group = group
        self._copy = ConfigCopy(places.config, places.system / "config-copy")
        self._copied: object = None
        self._looked_s = -EVERY_S
        self._lock = threading.Lock()

    def tick(self) -> None:
        """Now and then. Raises OSError, ValueError, when all has been tried."""
        if time.monotonic() - self._looked_s < EVERY_S:
            return
        self._looked_s = time.monotonic()
        home, config = self._places.home, self._places.config
        with ExitStack() as doing:  # the last comes first; one that fails keeps no other from its turn
            doing.callback(self.renew)
            if self._data_is_there():
                doing.callback(disk.keep_room, self._places.data)
                doing.callback(self._keep, home / "recovery-key.txt", config / "recovery-key.txt")
                doing.callback(self._keep, home / "plan.json.good", config / "plan.json")

    def renew(self) -> None:
        """Renew the copy of the configuration if it has changed. Raises OSError."""
        with self._lock:
            now = _stamps(self._places.config)
            if now == self._copied or not self._places.system.is_dir():
                return
            if not self._copy.current():
                self._copy.renew()
            self._copied = now

    def _data_is_there(self) -> bool:
        found = files.read_json(self._places.run / "disk.json") or {}
        return found.get("data") not in IN_MEMORY

    def _keep(self, source: Path, target: Path) -> None:
        content = _read(source)
        if content is None or (target.exists() and target.read_bytes() == content):
            return
        if source.suffix == ".good":
            json.loads(content)  # of another program: a torn one must not replace a whole one
        files.write(target, content, 0o640)
        if self._group is not None:
            os.chown(target, 0, self._group)


def _read(path: Path) -> bytes | None:
    """A plain file of the product's users, who must not make root read another one for them."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MAX_BYTES:
            raise OSError(f"{path} is no plain file of a sensible size")
        return file.read(MAX_BYTES)


def _stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Changes with every file that is replaced in `folder`."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            info = path.lstat()
            found[str(path)] = (info.st_ino, info.st_mtime_ns, info.st_size)
    return found
