"""What `Control` wants done: the messages and the work that it hands to its shell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]


@dataclass(frozen=True)
class ToEngine:
    """A line for engine.sock."""

    message: Message


@dataclass(frozen=True)
class ToClient:
    """A line for one client of control.sock."""

    client: int
    message: Message


@dataclass(frozen=True)
class Stream:
    """An event for every subscriber."""

    topic: str
    data: Message


@dataclass(frozen=True)
class Work:
    """Something that may block, run on the thread of its `lane` in order; its outcome goes to
    `Control.done`. Lanes: "write", "read", "verify" (slow hashing), "slow" (files)."""

    lane: str
    name: str
    run: Callable[[], Any]
    about: Message = field(default_factory=dict)


Effect = ToEngine | ToClient | Stream | Work
