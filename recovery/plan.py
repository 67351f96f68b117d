"""What an action would do, as one sentence for people, in every language.

Its mark holds whoever carries it out to what was shown.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recovery.words import PLANS

ENDS = 1 << 20
"""Bytes of a file's beginning and end that are looked at."""


@dataclass(frozen=True)
class Plan:
    """key: of its sentence in words.PLANS. values: what stands in it. of: what else it rests on: contents of
    files, disk, stick. mark: of all of this, made by `runner.plan`."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)
    of: Mapping[str, object] = field(default_factory=dict)
    mark: str = ""

    def say(self, language: str) -> str:
        """The sentence."""
        return PLANS[self.key][language].format(**self.values)

    def __str__(self) -> str:
        return self.say("en")


def content(path: Path) -> tuple[object, ...]:
    """Tells a file from another of the same name: size, time, and hash of its beginning and end.

    A bundle ends with its signature, a backup begins with its seal and the key of its encryption, a packed
    image ends with its index or check value: to read all of it for each question would tell little more.
    Raises OSError.
    """
    found = path.stat()
    with path.open("rb") as file:
        hashed = hashlib.sha256(file.read(ENDS))
        file.seek(-min(ENDS, found.st_size), os.SEEK_END)
        hashed.update(file.read(ENDS))
    return str(path), found.st_size, found.st_mtime_ns, hashed.hexdigest()
