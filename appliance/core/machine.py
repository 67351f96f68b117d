"""What all state machines of the core share: a name, a state, and one way to look up what happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from enum import Enum
from typing import Any, Protocol, TypeVar


class Stateful(Protocol):
    """A call, an agent, a line or a telephone."""

    machine: str
    state: Any
    since: float

    @property
    def key(self) -> str:
        """Name in the log."""


class NoSuchTransition(Exception):
    """A pair of state and event that nobody thought of: a defect, never a caller's fault."""


S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)
H = TypeVar("H", bound=Callable[..., None])


def lookup(table: Mapping[tuple[S, E], H], ignored: Collection[tuple[S, E]], state: S, event: E) -> H | None:
    """The handler of a pair; None when it is declared ignored."""
    handler = table.get((state, event))
    if handler is None and (state, event) not in ignored:
        raise NoSuchTransition(f"{event} in {state}")
    return handler
