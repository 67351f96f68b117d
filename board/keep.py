"""Lines that outlive the program: somebody else holds their descriptors while it is started anew.

A line stays off hook as long as anybody has its descriptor open. Who is in a call when the
program dies is then not cut off, but found on the line by the program that is started next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Left:
    """What the program before has left: an open descriptor, and what it wanted its successor to know."""

    fd: int
    note: str


class Keeper(Protocol):
    """Who holds descriptors. Any thread may ask; nothing waits."""

    def take(self, name: str) -> Left | None:
        """What was left under this name: ours alone from now on. None: nothing, or it was taken already."""

    def put(self, name: str, fd: int, note: str) -> None:
        """Hold a copy of `fd` for the next program, in place of what is held under this name."""

    def drop(self, name: str) -> None:
        """Hold nothing under this name any more."""

    def leaves(self, name: str) -> bool:
        """Whether this program ends by a failure, and its successor will find this name."""
