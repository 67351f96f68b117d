"""What an action would do, as one sentence for people, in every language.

Its mark holds whoever carries it out to what was shown.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from recovery.words import PLANS

ENDS = 1 << 20
"""Bytes of a file's beginning and end that are looked at."""
PLACES = ("stick", "from")
"""What of a plan a start may change though nothing was swapped: when a stick was plugged in, device names."""


class Content(NamedTuple):
    """Tells a file from another of the same name."""

    path: str
    size: int
    mtime_ns: int
    hash: str


@dataclass(frozen=True)
class Plan:
    """key: of its sentence in words.PLANS. values: what stands in it. of: what else it rests on: contents of
    files, disk, stick. mark: of all of this, made by `runner.plan`."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)
    of: Mapping[str, object] = field(default_factory=dict)
    mark: str = ""

    @property
    def contents(self) -> str:
        """A hash of the contents that it rests on, wherever they lie: the same after a start with the same
        stick. "" where it rests on none."""
        kept = {name: _anywhere(value) for name, value in self.of.items() if name not in PLACES}
        return (
            hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest() if kept else ""
        )

    def say(self, language: str) -> str:
        """The sentence."""
        return PLANS[self.key][language].format(**self.values)

    def __str__(self) -> str:
        return self.say("en")


def _anywhere(value: object) -> object:
    return value._replace(path=Path(value.path).name) if isinstance(value, Content) else value


def content(path: Path) -> Content:
    """Size, time, and hash of the file's beginning and end.

    A bundle ends with its signature, a backup begins with its seal and the key of its encryption, a packed
    image ends with its index or check value: to read all of it for each question would tell little more.
    Raises OSError.
    """
    found = path.stat()
    with path.open("rb") as file:
        hashed = hashlib.sha256(file.read(ENDS))
        file.seek(-min(ENDS, found.st_size), os.SEEK_END)
        hashed.update(file.read(ENDS))
    return Content(str(path), found.st_size, found.st_mtime_ns, hashed.hexdigest())
